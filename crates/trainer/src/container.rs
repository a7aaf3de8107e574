//! The file of a checkpoint: arrays in the safetensors format, and in its metadata whose they are. Knows no tensor library.

use std::collections::{BTreeMap, HashMap};

use genome::Recipe;
use safetensors::{SafeTensors, View};
use serde::{Deserialize, Serialize};

/// Key of the recipe among what a checkpoint must agree with.
pub const RECIPE: &str = "recipe";

/// Version of the layout.
const FORMAT: u32 = 1;

/// The one key of the metadata. With several, their order, and so the bytes of the file, would vary.
const KEY: &str = "peng";

/// What a checkpoint must agree with the job on, by name.
pub type Identity = BTreeMap<String, String>;

/// How far a training is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Intervals completed.
    pub step: u32,
    /// Batches trained.
    pub batch: u64,
    /// Training images seen in the interval that has begun.
    pub images: u64,
}

/// Whose arrays they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    format: u32,
    job: Identity,
    /// How far the training was.
    pub position: Position,
}

impl Header {
    /// Of this version's layout.
    pub fn new(job: Identity, position: Position) -> Self {
        Self { format: FORMAT, job, position }
    }

    /// Ok if the arrays are of this job, in the layout that is read here.
    pub fn check(&self, job: &Identity) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("its format is {}, this program reads {FORMAT}", self.format));
        }
        for (what, expected) in job {
            let found = self.job.get(what).map_or("missing", String::as_str);
            if found == expected {
                continue;
            }
            if what == RECIPE {
                compare_recipes(found, expected)?;
            } else {
                return Err(format!("it belongs to another job: its {what} is {found}, expected {expected}"));
            }
        }
        Ok(())
    }
}

/// The bytes of a checkpoint. The same arrays give the same bytes.
pub fn write<V: View>(header: &Header, arrays: Vec<(&str, V)>) -> Result<Vec<u8>, String> {
    let header = serde_json::to_string(header).map_err(|error| error.to_string())?;
    let metadata = HashMap::from([(KEY.to_owned(), header)]);
    safetensors::serialize(arrays, Some(metadata)).map_err(|error| error.to_string())
}

/// Header and arrays of a checkpoint, or what is wrong with the bytes.
pub fn read(bytes: &[u8]) -> Result<(Header, SafeTensors<'_>), String> {
    let damaged = |error| format!("it is damaged: {error}");
    let arrays = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let text = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let text = text.ok_or("it was not written by this program")?;
    let header = serde_json::from_str(text).map_err(|error| format!("its header is damaged: {error}"))?;
    Ok((header, arrays))
}

/// Ok if two recipes, as text, train alike: a key that one of them does not have yet counts as its default, so that checkpoints
/// outlive the versions that add one. Otherwise the reason, with the first key that differs.
pub fn compare_recipes(found: &str, expected: &str) -> Result<(), String> {
    let parse = |text: &str| -> Result<serde_json::Value, String> {
        serde_json::from_str::<Recipe>(text)
            .and_then(serde_json::to_value)
            .map_err(|error| format!("its recipe cannot be read here: {error}"))
    };
    let (found, expected) = (parse(found)?, parse(expected)?);
    let keys = expected.as_object().into_iter().flat_map(serde_json::Map::keys);
    for key in keys {
        if found[key] != expected[key] {
            return Err(format!(
                "it belongs to another job: its recipe has `{key}` = {}, expected {}",
                found[key], expected[key]
            ));
        }
    }
    Ok(())
}
