//! Checkpoints in a directory.
#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::{fs, os::unix::fs::symlink};

use checkpoint::{CheckpointError, CheckpointStore};
use domain::{Checkpoint, NewCheckpoint};
use support::{DATABASE, WORKER, committed, never, open, put};
use url::Url;
use uuid::Uuid;

fn path(new: &NewCheckpoint) -> std::path::PathBuf {
    Url::parse(&new.uri).unwrap().to_file_path().unwrap()
}

#[test]
fn what_is_put_comes_back_and_of_what_is_damaged_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    store.probe(&never).unwrap();
    let new = put(&store, dir.path(), b"weights");
    assert_eq!(new.key, format!("{DATABASE}/1/2/000004-3-{WORKER}.ckpt"));
    assert_eq!(new.uri, format!("file://{}/store/{}", dir.path().display(), new.key));
    let back = dir.path().join("back");
    store.fetch(&committed(&new), &back, &never).unwrap();
    assert_eq!(fs::read(&back).unwrap(), b"weights");

    for (content, why) in [(&b"weigh"[..], "truncated"), (b"weightz", "changed"), (b"weights!", "longer")] {
        fs::write(path(&new), content).unwrap();
        let error = store.fetch(&committed(&new), &back, &never).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. }) && error.is_loss(), "{why}: {error}");
        assert!(!back.exists(), "{why}");
    }
    store.delete(&committed(&new)).unwrap();
    store.delete(&committed(&new)).unwrap();
    let error = store.fetch(&committed(&new), &back, &never).unwrap_err();
    assert!(matches!(error, CheckpointError::Missing { .. }) && error.is_loss(), "{error}");
}

#[test]
fn the_same_directory_under_two_mount_points_is_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let writer = open(&dir.path().join("a"));
    let row = committed(&put(&writer, dir.path(), b"weights"));
    symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
    let reader = open(&dir.path().join("b"));
    let back = dir.path().join("back");
    reader.fetch(&row, &back, &never).unwrap();
    assert_eq!(fs::read(&back).unwrap(), b"weights");
    reader.delete(&row).unwrap();
    assert_eq!(writer.list().unwrap(), []);
}

#[test]
fn what_version_0_1_wrote_is_read_listed_and_deleted_whatever_its_base_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let sha256 = put(&store, dir.path(), b"weights").sha256;
    for (relative, is_listed) in [
        (format!("{DATABASE}/1/2/000003-4.ckpt"), true),
        // Before databases had identities; such a store had one database.
        ("1/2/000003-4.ckpt".to_owned(), false),
    ] {
        let file = dir.path().join("store").join(&relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for base in [format!("file://{}/store", dir.path().display()), "file:///mnt/elsewhere".into()] {
            fs::write(&file, b"weights").unwrap();
            let uri = format!("{base}/{relative}");
            let row = Checkpoint { step: 3, key: None, uri, bytes: 7, sha256: sha256.clone() };
            let back = dir.path().join("back");
            store.fetch(&row, &back, &never).unwrap();
            assert_eq!(fs::read(&back).unwrap(), b"weights", "{}", row.uri);
            let listed = store.list().unwrap();
            assert_eq!(listed.iter().any(|object| object.key.worker_id.is_none()), is_listed, "{listed:?}");
            store.delete(&row).unwrap();
            assert!(!file.exists(), "{}", row.uri);
        }
    }
}

#[test]
fn a_row_that_names_no_checkpoint_is_an_error_and_no_loss() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    for (key, uri) in [(None, "file:///mnt/weights.pt"), (Some("../../new".to_owned()), "")] {
        let row = Checkpoint { step: 3, key, uri: uri.into(), bytes: 7, sha256: String::new() };
        for error in [
            store.fetch(&row, &dir.path().join("back"), &never).unwrap_err(),
            store.delete(&row).unwrap_err(),
        ] {
            assert!(!error.is_loss() && !error.is_outage(), "{error}");
        }
    }
}

#[test]
fn databases_with_one_store_never_meet() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", dir.path().display());
    let stores = [1, 2].map(|i| CheckpointStore::open(Some(&url), Uuid::from_u128(i), false).unwrap());
    let news = [(&stores[0], &b"one"[..]), (&stores[1], b"other")].map(|(s, text)| put(s, dir.path(), text));
    for (store, new) in stores.iter().zip(&news) {
        let listed = store.list().unwrap();
        let listed: Vec<_> = listed.iter().map(|o| store.uri_of(o)).collect();
        assert_eq!(listed, std::slice::from_ref(&new.uri));
        store.fetch(&committed(new), &dir.path().join("back"), &never).unwrap();
    }
}

#[test]
fn what_a_killed_write_left_is_listed_and_collected_and_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    assert_eq!(store.list().unwrap(), [], "nothing was ever written");
    let whole = path(&put(&store, dir.path(), b"weights"));
    let half = whole.with_file_name(format!("000004-3-{WORKER}.ckpt#1"));
    let old = whole.with_file_name("000005-3.ckpt#2");
    let other = whole.with_file_name("notes#1");
    for file in [&half, &old, &other] {
        fs::write(file, b"wei").unwrap();
    }
    put(&store, dir.path(), b"weights again");
    assert_eq!(fs::read(&whole).unwrap(), b"weights again");
    let mut listed = store.list().unwrap();
    listed.sort_by_key(|object| (object.fragment, object.key));
    assert_eq!(
        listed.iter().map(|o| (o.key.step, o.bytes, o.fragment)).collect::<Vec<_>>(),
        [(4, 13, None), (4, 3, Some(1)), (5, 3, Some(2))]
    );
    for object in &listed[1..] {
        assert!(store.uri_of(object).ends_with(&format!("#{}", object.fragment.unwrap())));
        store.collect(object).unwrap();
        store.collect(object).unwrap();
    }
    assert_eq!([&whole, &half, &old, &other].map(|file| file.exists()), [true, false, false, true]);
    store.collect(&listed[0]).unwrap();
    assert!(!whole.exists());
}

#[test]
fn a_write_that_fails_leaves_nothing_under_the_name_nor_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("store"));
    let whole = path(&put(&store, dir.path(), b"weights"));
    fs::remove_file(&whole).unwrap();
    // Nothing can be renamed to a directory.
    fs::create_dir(&whole).unwrap();
    let file = dir.path().join("new");
    fs::write(&file, b"weights").unwrap();
    let error = store.put(domain::SearchId(1), support::LEASE, 4, &file, &never).unwrap_err();
    assert!(matches!(error, CheckpointError::Refused { .. }), "{error}");
    assert_eq!(fs::read_dir(whole.parent().unwrap()).unwrap().count(), 1, "the directory alone");
    assert!(file.exists(), "it is tried again");
}

#[test]
fn a_database_that_other_hosts_may_use_needs_a_store_that_they_can_see() {
    for url in [None, Some("")] {
        let error = CheckpointStore::open(url, DATABASE, false).err().unwrap();
        assert!(matches!(error, CheckpointError::Unset) && !error.is_outage(), "{error}");
        let text = error.to_string();
        for expected in
            ["other hosts could not", "PENG_CHECKPOINTS", "file:///shared/path", "s3://bucket/prefix"]
        {
            assert!(text.contains(expected), "{text}");
        }
    }
}

#[test]
fn a_store_that_cannot_be_is_refused_without_its_secrets() {
    for (url, expected) in [
        ("checkpoints", "is no checkpoint store"),
        ("ftp://host/x", "`ftp:` is not supported"),
        ("gs://bucket/x", "expected file:///path or s3://bucket/prefix"),
        ("s3:///x", "it names no bucket"),
        ("file:///dev/null/x", "/dev/null/x"),
        ("s3://key:s3cret@bucket/x", "s3://***@bucket/x"),
        ("s3://s3cret@bucket/x", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/x?aws_secret_access_key=s3cret", "AWS_SECRET_ACCESS_KEY"),
        ("s3//key:s3cret@bucket", "is no checkpoint store"),
    ] {
        let error = CheckpointStore::open(Some(url), DATABASE, true).err().expect(url);
        assert!(error.to_string().contains(expected), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{url}: {error:?}");
    }
}
