//! The specification of a search, as a person writes it and as it is stored.

use std::io::Read as _;
use std::path::Path;

use data::DataSpec;
use domain::TextReader;
use genome::{Input, Recipe, Space};
use predictor::{Engine, Settings, Target};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strategy::Strategy;

use crate::spec_error::{Fault, SpecError};

/// What a search is: the TOML file, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Unique name: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Class of workers that train it.
    #[serde(default = "default_class")]
    pub class: String,
    /// Images to train and validate on.
    pub data: DataSpec,
    /// Networks that may be tried.
    pub space: Space,
    /// How they are chosen.
    pub strategy: Strategy,
    /// How much is trained.
    pub budget: Budget,
    /// Whose turn it is. Not stored with the rest, since it may change: it stands in columns of its own.
    #[serde(default, skip_serializing_if = "Scheduling::is_default")]
    pub search: Scheduling,
    /// When a training stops.
    #[serde(default)]
    pub predictor: Settings,
    /// How a network is trained.
    #[serde(default)]
    pub training: Recipe,
}

/// The `[budget]` table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Architectures to try.
    pub jobs: u32,
    /// Epochs of a full training.
    pub max_epochs: f64,
    /// Evaluation interval E, in epochs.
    #[serde(default = "one")]
    pub interval: f64,
}

/// The `[search]` table: its place among the searches of its class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scheduling {
    /// Searches of higher priority go first.
    pub priority: i32,
    /// So many of its jobs may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_running: Option<i32>,
}

fn default_class() -> String {
    "default".to_owned()
}

fn one() -> f64 {
    1.0
}

/// Most jobs that a search may have.
const MOST_JOBS: u32 = 10_000_000;

impl Spec {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`SpecError`] names file, line, key, what was found and what is allowed.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let failed = |source| SpecError::Read { path: path.to_owned(), source };
        let mut text = String::new();
        TextReader::open(path).map_err(failed)?.read_to_string(&mut text).map_err(failed)?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads and checks a text; `file` is its name in errors.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SpecError> {
        let deserializer =
            toml::Deserializer::parse(text).map_err(|error| SpecError::syntax(file, &error))?;
        let spec: Self = serde_path_to_error::deserialize(deserializer)
            .map_err(|error| SpecError::from_serde(file, text, &error))?;
        spec.check().map_err(|fault| SpecError::value(file, text, fault))?;
        Ok(spec)
    }

    /// The same specification under another name.
    ///
    /// # Errors
    /// [`SpecError::Key`] for a name that cannot be.
    pub fn renamed(&self, name: &str) -> Result<Self, SpecError> {
        check_name("name", name).map_err(|fault| SpecError::value("--name", "", fault))?;
        Ok(Self { name: name.to_owned(), ..self.clone() })
    }

    /// A stored specification.
    ///
    /// # Errors
    /// [`SpecError::Stored`] if another version of peng wrote something that this one does not understand,
    /// [`SpecError::Imported`] for recorded curves.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, SpecError> {
        if let Some(import) = value.get("import") {
            let file = import["file"].as_str().unwrap_or("a file").to_owned();
            return Err(SpecError::Imported { file });
        }
        serde_path_to_error::deserialize(value).map_err(|error| SpecError::Stored {
            key: error.path().to_string(),
            message: error.inner().to_string(),
        })
    }

    /// The form that is stored.
    pub fn to_json(&self) -> serde_json::Value {
        let lasting = Self { search: Scheduling::default(), ..self.clone() };
        serde_json::to_value(lasting).expect("a specification has only strings as keys")
    }

    /// SHA-256 of the stored specification without its name, in hexadecimal: two searches of the same hash differ
    /// only in chance.
    pub fn hash(&self) -> String {
        let mut value = self.to_json();
        if let Some(table) = value.as_object_mut() {
            table.remove("name");
        }
        // serde_json sorts the keys of its maps, so the text is canonical.
        sha256(&value.to_string())
    }

    /// SHA-256 of what a scheduler learns from jobs by, beside the jobs: the settings, the target, the objectives and this program.
    pub fn scheduler_fingerprint(&self) -> String {
        let Self { predictor, budget, strategy, .. } = self;
        let parts = (env!("CARGO_PKG_VERSION"), predictor, budget.max_epochs, budget.interval, strategy);
        sha256(&serde_json::to_string(&parts).expect("settings are JSON"))
    }

    /// Shape of the images and number of classes. Reads no file.
    pub fn input(&self) -> Input {
        let shape = self.data.shape().expect("a checked specification has a shape");
        Input { channels: shape.channels, height: shape.height, width: shape.width, classes: shape.classes }
    }

    /// The predictor of the search.
    pub fn engine(&self) -> Engine {
        Engine::new(&self.predictor, self.target()).expect("a checked specification has an engine")
    }

    /// What is predicted.
    pub fn target(&self) -> Target {
        Target { epochs: self.budget.max_epochs, interval: self.budget.interval }
    }

    fn check(&self) -> Result<(), Fault> {
        check_name("name", &self.name)?;
        check_name("class", &self.class)?;
        self.budget.check()?;
        self.search.check()?;
        match self.data.check() {
            Err(data::DataError::Setting { key, found, allowed }) => {
                return Err(Fault::new(format!("data.{key}"), found, allowed));
            }
            Err(error) => return Err(Fault::new("data", "a table", error.to_string())),
            Ok(()) => {}
        }
        self.space.check_for(self.input())?;
        self.strategy.check()?;
        self.training.check()?;
        Engine::new(&self.predictor, self.target())
            .map(drop)
            .map_err(|e| Fault::new(format!("{}.{}", table_of(e.key), e.key), e.found, e.allowed))
    }
}

/// Keys of the target stand in `[budget]`.
fn table_of(key: &str) -> &'static str {
    if matches!(key, "max_epochs" | "interval") { "budget" } else { "predictor" }
}

impl Scheduling {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    fn check(&self) -> Result<(), Fault> {
        if i16::try_from(self.priority).is_err() {
            let allowed = format!("{} to {}", i16::MIN, i16::MAX);
            return Err(Fault::new("search.priority", self.priority, allowed));
        }
        match self.max_running {
            Some(jobs @ ..=0) => {
                Err(Fault::new("search.max_running", jobs, "1 or more; left out for no limit"))
            }
            _ => Ok(()),
        }
    }
}

impl Budget {
    fn check(&self) -> Result<(), Fault> {
        if !(1..=MOST_JOBS).contains(&self.jobs) {
            return Err(Fault::new("budget.jobs", self.jobs, format!("1 to {MOST_JOBS}")));
        }
        if !(self.interval.is_finite() && self.interval > 0.0) {
            return Err(Fault::new("budget.interval", self.interval, "a number of epochs above 0"));
        }
        let steps = self.max_epochs / self.interval;
        let whole = steps.is_finite() && steps >= 1.0 && (steps - steps.round()).abs() < 1e-9 * steps;
        if !whole || steps > 100_000.0 {
            let allowed = format!("a multiple of the interval ({}), at most 100000 of them", self.interval);
            return Err(Fault::new("budget.max_epochs", self.max_epochs, allowed));
        }
        Ok(())
    }
}

fn check_name(key: &str, name: &str) -> Result<(), Fault> {
    if domain::is_name(name) { Ok(()) } else { Err(Fault::new(key, format!("\"{name}\""), domain::NAMES)) }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
