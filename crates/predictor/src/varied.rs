//! Eight values of the setting that tells most of an engine, for what it keeps against what it saves.

use crate::{EngineName, Settings};

/// Shares of the budget, for settings that are epochs; of 20: 1, 2, 3, 5, 7, 10, 13 and 16.
const SHARES: [f64; 8] = [0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.65, 0.8];

/// Settings that differ in one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Varied {
    /// The key: `risk` of `peng`, `threshold` of `penguin-*`, `warm_up` of `median`, `eta` of `asha`, `asha-promotion` and `hyperband`, `patience` of
    /// `menndl`, `stop_at` of `last`; empty for `none`, which has nothing to vary.
    pub key: &'static str,
    /// Its value.
    pub value: f64,
    /// The settings with it.
    pub settings: Settings,
}

impl Settings {
    /// The settings with each of eight values of the one that tells most of the engine, rising; `max_epochs`: the full
    /// budget of a job.
    pub fn varied(&self, max_epochs: f64) -> Vec<Varied> {
        let epochs = SHARES.map(|share| (share * max_epochs).max(1.0));
        let (key, values): (_, &[f64]) = match self.engine {
            EngineName::Peng => ("risk", &[0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4]),
            EngineName::PenguinV1 | EngineName::PenguinV2 | EngineName::PenguinV4 => {
                ("threshold", &[0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
            }
            EngineName::Median => ("warm_up", &epochs),
            EngineName::Asha | EngineName::AshaPromotion | EngineName::Hyperband => {
                ("eta", &[1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0])
            }
            EngineName::Menndl => ("patience", &[1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 16.0, 20.0]),
            EngineName::Last => ("stop_at", &epochs),
            EngineName::None => ("", &[0.0]),
        };
        values.iter().map(|&value| Varied { key, value, settings: self.with(key, value) }).collect()
    }

    fn with(&self, key: &str, value: f64) -> Self {
        let mut settings = self.clone();
        match key {
            "risk" => settings.risk = value,
            "threshold" => settings.threshold = value,
            "warm_up" => settings.warm_up = Some(value),
            "eta" => settings.eta = value,
            "patience" => settings.patience = value,
            "stop_at" => settings.stop_at = Some(value),
            _ => {}
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_eight_different_sound_settings() {
        for engine in EngineName::ALL.into_iter().filter(|e| *e != EngineName::None) {
            let varied = Settings { engine, ..Settings::default() }.varied(20.0);
            assert_eq!(varied.len(), 8, "{engine}");
            for pair in varied.windows(2) {
                assert!(pair[0].value < pair[1].value && pair[0].settings != pair[1].settings, "{engine}");
            }
            for one in varied {
                assert_eq!(one.settings.check(), Ok(()), "{engine}");
                let text = toml::to_string(&one.settings).unwrap();
                assert!(text.contains(&format!("{} = {:?}", one.key, one.value)), "{engine}: {text}");
            }
        }
    }
}
