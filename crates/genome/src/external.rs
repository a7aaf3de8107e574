use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Cost, GenomeError};

/// A network that only somebody else's training program understands: another search's genome, a row of recorded
/// curves. It has no [`Plan`](crate::Plan), and no strategy makes new ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct External {
    /// What the program needs to know, any JSON object.
    pub description: Map<String, Value>,
    /// Number of parameters, 0 if unknown.
    #[serde(default)]
    pub parameters: u64,
    /// FLOPs of one forward pass of one image, 0 if unknown.
    #[serde(default)]
    pub flops: u64,
}

impl External {
    /// The description with all keys in order; the cost is no part of a network's identity.
    pub(crate) fn canonical(&self) -> String {
        sorted(&Value::Object(self.description.clone())).to_string()
    }

    pub(crate) fn validate(&self) -> Result<(), GenomeError> {
        if self.description.is_empty() {
            return Err(GenomeError::gene("description", &"empty", "an object with at least one key"));
        }
        Ok(())
    }

    pub(crate) fn cost(&self) -> Result<Cost, GenomeError> {
        self.validate()?;
        Ok(Cost { parameters: self.parameters, flops: self.flops })
    }
}

/// Limits of the `external` space, of which there are none: its architectures are given, never sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExternalSpace {}

/// `value` with the keys of all objects in order, whatever order `serde_json` was built to keep.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&object[key]))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The description as compact JSON.
impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.canonical())
    }
}
