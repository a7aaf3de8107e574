//! Checkpoints on their way to and from object stores, in pieces, so that none has to fit into memory.

use std::path::{Path, PathBuf};

use futures_util::{TryStreamExt as _, stream::FuturesUnordered};
use object_store::{GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _, path::Path as Key};

use crate::{
    content::{Content, HashedFile},
    directory,
    error::Failure,
    request::blocking,
};

/// Largest object that is put in one request, and the least that a piece of a larger one may be.
const PIECE: usize = 8 << 20;
/// Most pieces of an object, by the rules of S3.
const PIECES: u64 = 10_000;
/// Pieces under way at once; with the one that is being read, what an upload holds in memory.
const UNDER_WAY: usize = 3;

/// An upload that has begun, to be aborted where it is not completed: a store keeps, and charges for, its pieces.
pub type Unfinished = Option<Box<dyn MultipartUpload>>;

/// Puts a local file, in one request if it is small.
pub async fn upload(
    objects: &dyn ObjectStore,
    key: &Key,
    from: &Path,
    size: u64,
    unfinished: &mut Unfinished,
) -> Result<Content, Failure> {
    let (from, piece) = (from.to_owned(), piece_of(size));
    let file = blocking(move |_| HashedFile::open(&from)).await?;
    let (mut file, mut next) = read(file, piece).await?;
    if next.len() < piece {
        objects.put(key, next.into()).await?;
        return Ok(file.content());
    }
    let upload = unfinished.insert(objects.put_multipart(key).await?);
    let mut under_way = FuturesUnordered::new();
    while !next.is_empty() {
        if under_way.len() == UNDER_WAY {
            under_way.try_next().await?;
        }
        under_way.push(upload.put_part(next.into()));
        (file, next) = read(file, piece).await?;
    }
    while under_way.try_next().await?.is_some() {}
    upload.complete().await?;
    *unfinished = None;
    Ok(file.content())
}

/// Brings an object into a local file.
pub async fn download(objects: &dyn ObjectStore, key: &Key, into: PathBuf) -> Result<Content, Failure> {
    let mut pieces = match objects.get(key).await?.payload {
        GetResultPayload::File(from, _) => {
            return blocking(move |given_up| directory::read(&from, &into, given_up)).await;
        }
        GetResultPayload::Stream(pieces) => pieces,
    };
    let mut into = HashedFile::create(&into)?;
    while let Some(piece) = pieces.try_next().await? {
        into.write(&piece)?;
    }
    Ok(into.content())
}

/// Size of the pieces of an object.
fn piece_of(size: u64) -> usize {
    PIECE.max(size.div_ceil(PIECES) as usize)
}

async fn read(mut file: HashedFile, bytes: usize) -> Result<(HashedFile, Vec<u8>), Failure> {
    blocking(move |_| {
        let piece = file.read(bytes)?;
        Ok((file, piece))
    })
    .await
}
