use std::collections::BTreeMap;

use genome::{Genome, Recipe};

use crate::{TrainError, container::RECIPE};

/// One training: a network, how it is trained, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The network.
    pub genome: &'a Genome,
    /// How it is trained, before the genome's own hyper-parameters go in.
    pub recipe: &'a Recipe,
    /// Seed of all randomness.
    pub seed: u64,
    /// Budget in epochs; the schedule of the learning rate ends there.
    pub max_epochs: f64,
    /// Epochs between two validations, E; half an epoch is `0.5`.
    pub interval: f64,
}

impl Job<'_> {
    /// The recipe with the genome's hyper-parameters, if it can be trained with.
    pub(crate) fn recipe(&self) -> Result<Recipe, TrainError> {
        let recipe = self.recipe.with_genes(self.genome);
        recipe.check().map_err(|error| TrainError::Setting {
            what: "recipe",
            found: format!("`{}` = {}", error.key, error.found),
            allowed: error.allowed,
        })?;
        for (what, value) in [("max_epochs", self.max_epochs), ("interval", self.interval)] {
            if !(value.is_finite() && value > 0.0) {
                return Err(TrainError::setting(what, value, "a number of epochs above 0"));
            }
        }
        Ok(recipe)
    }

    /// All that a checkpoint must agree with, as text, so that floating-point numbers compare exactly.
    pub(crate) fn identity(&self, images: usize) -> BTreeMap<String, String> {
        let recipe = serde_json::to_string(&self.recipe.with_genes(self.genome)).unwrap_or_default();
        [
            ("genome", self.genome.hash().to_string()),
            (RECIPE, recipe),
            ("seed", self.seed.to_string()),
            ("max_epochs", self.max_epochs.to_string()),
            ("interval", self.interval.to_string()),
            ("training images", images.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::container::{Header, Position, compare_recipes};

    #[test]
    fn recipes_are_compared_by_what_they_mean() {
        let recipe = serde_json::to_value(Recipe::default()).unwrap();
        let with = |key: &str, value: serde_json::Value| {
            let mut other = recipe.clone();
            other[key] = value;
            other.to_string()
        };
        let identity = |recipe: String| BTreeMap::from([(RECIPE.to_owned(), recipe)]);
        let mut older = recipe.clone();
        older.as_object_mut().unwrap().remove("drop_path");
        let table = [
            (older.to_string(), None, "a key that was added since, with its default"),
            (
                with("momentum", json!(0.123)),
                Some("its recipe has `momentum` = 0.123, expected "),
                "another value",
            ),
            (with("of_2030", json!(1)), Some("unknown field `of_2030`"), "a key of a version to come"),
            ("missing".to_owned(), Some("its recipe cannot be read here"), "no recipe"),
        ];
        for (found, refused, why) in table {
            let header = Header::new(identity(found), Position::default());
            let compared = header.check(&identity(recipe.to_string()));
            match (&compared, refused) {
                (Ok(()), None) => {}
                (Err(reason), Some(text)) => assert!(reason.contains(text), "{why}: {reason}"),
                _ => panic!("{why}: {compared:?}"),
            }
        }
        let compared = compare_recipes(&older.to_string(), &with("drop_path", json!(0.3)));
        assert!(compared.unwrap_err().contains("`drop_path`"), "a default is not what was asked for");
    }
}
