//! The `[predictor]` table of a search's specification.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The engines there are, by the names used in specifications and reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// Learns from the finished jobs of the search.
    Peng,
    /// The fit of PEng4NN as of 2021-06.
    PenguinV1,
    /// The fit of PENGUIN's public main branch, 2022-02.
    PenguinV2,
    /// The fit of A4NN, 2025.
    PenguinV4,
    /// Optuna's median rule.
    Median,
    /// Asynchronous successive halving, stopping variant.
    Asha,
    /// The same as published: jobs wait at each rung and are promoted.
    AshaPromotion,
    /// Several brackets of that.
    Hyperband,
    /// MENNDL's rule: the training loss stands still.
    Menndl,
    /// Stops all at one epoch and takes the last accuracy.
    Last,
    /// Trains everything to the end.
    None,
}

impl EngineName {
    /// All engines, the one recommended first.
    pub const ALL: [Self; 11] = [
        Self::Peng,
        Self::PenguinV1,
        Self::PenguinV2,
        Self::PenguinV4,
        Self::Median,
        Self::Asha,
        Self::AshaPromotion,
        Self::Hyperband,
        Self::Menndl,
        Self::Last,
        Self::None,
    ];

    /// The name in specifications, tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Peng => "peng",
            Self::PenguinV1 => "penguin-v1",
            Self::PenguinV2 => "penguin-v2",
            Self::PenguinV4 => "penguin-v4",
            Self::Median => "median",
            Self::Asha => "asha",
            Self::AshaPromotion => "asha-promotion",
            Self::Hyperband => "hyperband",
            Self::Menndl => "menndl",
            Self::Last => "last",
            Self::None => "none",
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EngineName {
    type Err = SettingsError;

    fn from_str(s: &str) -> Result<Self, SettingsError> {
        Self::ALL.into_iter().find(|e| e.as_str() == s).ok_or_else(|| SettingsError {
            key: "engine",
            found: format!("\"{s}\""),
            allowed: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

/// Whether decisions are obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Decisions are obeyed.
    #[default]
    Terminate,
    /// Decisions are recorded and training goes on to the end, so that ground truth exists.
    Observe,
}

/// What idle workers do while little is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// Nothing: the fewest epochs are trained.
    #[default]
    Epochs,
    /// They train on what leads so far: the search is over sooner.
    Time,
}

impl FromStr for Prefer {
    type Err = SettingsError;

    fn from_str(s: &str) -> Result<Self, SettingsError> {
        match s {
            "epochs" => Ok(Self::Epochs),
            "time" => Ok(Self::Time),
            _ => Err(SettingsError::new("prefer", format!("\"{s}\""), "epochs, time")),
        }
    }
}

/// The `[predictor]` table. Keys that the chosen engine does not use are checked and otherwise ignored;
/// `docs/predictor.md` gives the effect of each in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which engine decides.
    pub engine: EngineName,
    /// Whether its decisions are obeyed.
    pub mode: Mode,
    /// Share (0 to 1) of the jobs trained on to the end whatever is decided, so that errors are measured.
    pub audit: f64,
    /// `peng`: share of the best networks to keep, above 0 and up to 1.
    pub keep: f64,
    /// `peng`: accepted chance of stopping one of those, per decision; above 0 and below 1. Smaller saves less.
    pub risk: f64,
    /// `peng`: a network that is clearly in or out may stop once its final accuracy is known to within this
    /// many points (half of the 80 % interval); 0 turns that off.
    pub tolerance: f64,
    /// `peng`: name of an earlier search on the same kind of data whose finished curves to begin with; they count as
    /// far as they predict those of this search.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<String>,
    /// `peng`: stopped jobs may be resumed when the queue has run dry, so that stops can come sooner: see
    /// [`Engine::thaw_above`](crate::Engine::thaw_above). Set it to false where nothing resumes them.
    pub thaw: bool,
    /// `peng` with `thaw`: whether idle workers wait until the first jobs are completed, or train on what leads so far.
    pub prefer: Prefer,
    /// `peng` with `thaw`: what taking up a frozen job costs, in epochs of training; dearer restarts are fewer. Left out: 2
    /// intervals. `peng search show` says what it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_epochs: Option<f64>,
    /// Jobs trained to the end before the first stop. Left out: 7 for `peng` (4 where the search of
    /// `warm_start` proves to be like this one), 5 for `median`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<usize>,
    /// Epochs that every job trains before it may stop. Left out: 2 for `peng`, 5 for `median`; for `asha`,
    /// `asha-promotion` and `hyperband` the first rung, 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<f64>,
    /// `penguin-*`: how many successive predictions must agree (N).
    pub window: usize,
    /// `penguin-*`: how far from their median they may lie, in points (t).
    pub threshold: f64,
    /// `asha`, `asha-promotion`, `hyperband`: one of `eta` jobs passes each rung, and rungs are a factor `eta` apart.
    pub eta: f64,
    /// `menndl`: epochs that the training loss may stand still.
    pub patience: f64,
    /// `last`: the epoch at which all stop. Left out: half of the budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            engine: EngineName::Peng,
            mode: Mode::Terminate,
            audit: 0.05,
            keep: 0.10,
            risk: 0.01,
            tolerance: 0.0,
            warm_start: None,
            thaw: true,
            prefer: Prefer::Epochs,
            restart_epochs: None,
            startup: None,
            warm_up: None,
            window: 3,
            threshold: 0.5,
            eta: 3.0,
            patience: 10.0,
            stop_at: None,
        }
    }
}

/// A setting outside of what it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {found}: must be {allowed}")]
pub struct SettingsError {
    /// The key in the `[predictor]` or `[budget]` table.
    pub key: &'static str,
    /// The value found, as written.
    pub found: String,
    /// What is allowed, in words.
    pub allowed: String,
}

impl SettingsError {
    pub(crate) fn new(key: &'static str, found: impl fmt::Display, allowed: &str) -> Self {
        Self { key, found: found.to_string(), allowed: allowed.to_owned() }
    }
}

impl Settings {
    /// Checks every key, used by the engine or not.
    ///
    /// # Errors
    /// Names the first key out of range, what was found and what is allowed.
    pub fn check(&self) -> Result<(), SettingsError> {
        let checks = [
            ("audit", self.audit, (0.0..=1.0).contains(&self.audit), "between 0 and 1"),
            ("keep", self.keep, self.keep > 0.0 && self.keep <= 1.0, "above 0 and at most 1"),
            ("risk", self.risk, self.risk > 0.0 && self.risk < 1.0, "above 0 and below 1"),
            (
                "tolerance",
                self.tolerance,
                (0.0..=100.0).contains(&self.tolerance),
                "between 0 and 100 points",
            ),
            (
                "threshold",
                self.threshold,
                self.threshold > 0.0 && self.threshold <= 100.0,
                "above 0 and at most 100 points",
            ),
            ("eta", self.eta, self.eta > 1.0 && self.eta <= 100.0, "above 1 and at most 100"),
            (
                "patience",
                self.patience,
                self.patience > 0.0 && self.patience.is_finite(),
                "a number of epochs above 0",
            ),
        ];
        if let Some((key, found, _, allowed)) = checks.into_iter().find(|c| !c.2) {
            return Err(SettingsError::new(key, found, allowed));
        }
        let epochs = [
            ("restart_epochs", self.restart_epochs, 0.0),
            ("warm_up", self.warm_up, 0.0),
            ("stop_at", self.stop_at, f64::MIN_POSITIVE),
        ];
        for (key, value, least) in epochs {
            if let Some(found) = value.filter(|v| !(v.is_finite() && *v >= least)) {
                let allowed =
                    if least > 0.0 { "a number of epochs above 0" } else { "a number of epochs, 0 or more" };
                return Err(SettingsError::new(key, found, allowed));
            }
        }
        if !(2..=100).contains(&self.window) {
            return Err(SettingsError::new("window", self.window, "between 2 and 100"));
        }
        if self.warm_start.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return Err(SettingsError::new("warm_start", "\"\"", "the name of a search"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_out_of_range_is_named() {
        let table = [
            ("keep = 0.0", "keep = 0: must be above 0 and at most 1"),
            ("keep = nan", "keep = NaN: must be above 0 and at most 1"),
            ("risk = 1.0", "risk = 1: must be above 0 and below 1"),
            ("audit = -0.1", "audit = -0.1: must be between 0 and 1"),
            ("tolerance = -1.0", "tolerance = -1: must be between 0 and 100 points"),
            ("window = 1", "window = 1: must be between 2 and 100"),
            ("threshold = 0.0", "threshold = 0: must be above 0 and at most 100 points"),
            ("eta = 1.0", "eta = 1: must be above 1 and at most 100"),
            ("patience = inf", "patience = inf: must be a number of epochs above 0"),
            ("warm_up = -1.0", "warm_up = -1: must be a number of epochs, 0 or more"),
            ("restart_epochs = nan", "restart_epochs = NaN: must be a number of epochs, 0 or more"),
            ("stop_at = 0.0", "stop_at = 0: must be a number of epochs above 0"),
            ("warm_start = \"\"", "warm_start = \"\": must be the name of a search"),
        ];
        for (text, expected) in table {
            let settings: Settings = toml::from_str(text).unwrap();
            assert_eq!(settings.check().unwrap_err().to_string(), expected);
        }
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn an_empty_table_is_the_default_and_unknown_keys_are_refused() {
        assert_eq!(toml::from_str::<Settings>("").unwrap(), Settings::default());
        let error = toml::from_str::<Settings>("kep = 0.1").unwrap_err().to_string();
        assert!(error.contains("unknown field `kep`"), "{error}");
        let error = toml::from_str::<Settings>("engine = \"pengu\"").unwrap_err().to_string();
        assert!(error.contains("penguin-v4"), "{error}");
        let error = toml::from_str::<Settings>("prefer = \"speed\"").unwrap_err().to_string();
        assert!(error.contains("`epochs` or `time`"), "{error}");
    }

    #[test]
    fn names_of_engines_are_the_same_everywhere() {
        for name in EngineName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        let error = "penguin".parse::<EngineName>().unwrap_err().to_string();
        assert!(error.starts_with("engine = \"penguin\": must be peng, penguin-v1"), "{error}");
    }

    #[test]
    fn what_is_preferred_has_the_same_names_everywhere() {
        for (name, prefer) in [("epochs", Prefer::Epochs), ("time", Prefer::Time)] {
            assert_eq!(name.parse(), Ok(prefer));
            assert_eq!(serde_json::to_string(&prefer).unwrap(), format!("\"{name}\""));
        }
        let error = "speed".parse::<Prefer>().unwrap_err().to_string();
        assert_eq!(error, "prefer = \"speed\": must be epochs, time");
    }

    #[test]
    fn settings_survive_toml() {
        let settings = Settings {
            warm_start: Some("a".into()),
            startup: Some(4),
            prefer: Prefer::Time,
            ..Settings::default()
        };
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(toml::from_str::<Settings>(&text).unwrap(), settings);
    }
}
