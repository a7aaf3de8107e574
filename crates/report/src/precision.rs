//! How exactly an accuracy is measured, and how many networks the measurement cannot tell apart.

use data::DataSpec;
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::scope::{Scope, failed};

/// The precision of the best accuracy that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// Images that accuracies are measured on.
    pub validation_images: i64,
    /// The best accuracy that was measured at the end of a full training, in per cent.
    pub best: f64,
    /// Its binomial standard error, in points: root of p(1 - p)/n.
    pub standard_error: f64,
    /// Networks that were measured as within one standard error of it, itself included.
    pub networks: i64,
}

/// How many images the networks of a search are validated on; none where it is not known: of imported curves, of networks that
/// are described elsewhere, and of a folder whose specification leaves it to the files.
pub(crate) fn validation_images(spec: &serde_json::Value) -> Option<i64> {
    let elsewhere = spec.get("import").is_some() || spec["space"]["kind"] == "external";
    let data: DataSpec = serde_json::from_value(spec.get("data").filter(|_| !elsewhere)?.clone()).ok()?;
    data.validation_images().map(|images| images as i64)
}

impl Precision {
    /// None where the number of images is not known, or nothing was measured.
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Option<Self>, ReportError> {
        #[derive(QueryableByName)]
        struct Best {
            #[diesel(sql_type = sql_types::Nullable<sql_types::Double>)]
            fitness: Option<f64>,
        }
        #[derive(QueryableByName)]
        struct Within {
            #[diesel(sql_type = sql_types::BigInt)]
            networks: i64,
        }
        let Some(images) = validation_images(&scope.spec) else { return Ok(None) };
        let best: Best = scope
            .query(include_str!("measured_best.sql"))
            .get_result(conn)
            .map_err(failed("measured_best"))?;
        let Some(best) = best.fitness else { return Ok(None) };
        let standard_error = standard_error(best, images);
        let within: Within = scope
            .query(include_str!("within.sql"))
            .bind::<sql_types::Double, _>(best - standard_error)
            .get_result(conn)
            .map_err(failed("within"))?;
        Ok(Some(Self { validation_images: images, best, standard_error, networks: within.networks }))
    }

    /// What a reader of the ranks must know.
    pub(crate) fn sentence(&self) -> String {
        let Self { validation_images, best, standard_error, networks } = self;
        let tell = if *networks == 1 {
            "no other network was measured within one of it".to_owned()
        } else {
            format!(
                "{networks} networks, it included, were measured within one of it: their order may be chance"
            )
        };
        format!(
            "Accuracies are measured on {validation_images} images. The best that was measured, {best:.2} %, has a standard \
             error of {standard_error:.2} points (binomial; one training each); {tell}."
        )
    }
}

/// Binomial standard error of an accuracy in per cent, in points.
fn standard_error(accuracy: f64, images: i64) -> f64 {
    (accuracy * (100.0 - accuracy) / images as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_accuracy_is_as_exact_as_its_images_are_many() {
        assert!((standard_error(88.1, 2_000) - 0.724).abs() < 1e-3);
        assert!((standard_error(50.0, 10_000) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_images_are_known_from_the_specification_or_not_at_all() {
        let table = [
            (json!({"data": {"set": "digits"}, "space": {"kind": "random-cnn"}}), Some(179), "a tenth"),
            (json!({"data": {"set": "cifar10", "validation": 2000}}), Some(2_000), "given"),
            (json!({"data": {"set": "image-folder", "path": "x"}}), None, "left to the files"),
            (json!({"data": {"set": "digits"}, "space": {"kind": "external"}}), None, "elsewhere"),
            (json!({"import": {"file": "a.csv"}}), None, "imported"),
            (json!({}), None, "nothing"),
        ];
        for (spec, images, why) in table {
            assert_eq!(validation_images(&spec), images, "{why}");
        }
    }
}
