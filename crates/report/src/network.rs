//! A network as reports on fitness and cost read it.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::pg::{Pg, PgRowByRowLoadingMode, PgValue};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_types};
use serde::Serialize;

use crate::ReportError;
use crate::scope::{Scope, failed};

/// Where the fitness of a network comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromSqlRow)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// It was trained to the end.
    Measured,
    /// The predictor stopped it.
    Predicted,
    /// It was stopped by an engine that predicts nothing.
    Observed,
}

/// A network as the queries give it.
#[derive(Clone, Debug, QueryableByName)]
pub(crate) struct Network {
    #[diesel(sql_type = sql_types::BigInt)]
    pub job_id: i64,
    #[diesel(sql_type = sql_types::Double)]
    pub fitness: f64,
    #[diesel(sql_type = sql_types::Text)]
    pub fitness_source: Source,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub parameters: Option<i64>,
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub flops: Option<i64>,
}

impl Source {
    /// As in the views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Predicted => "predicted",
            Self::Observed => "observed",
        }
    }
}

impl FromSql<sql_types::Text, Pg> for Source {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        match value.as_bytes() {
            b"measured" => Ok(Self::Measured),
            b"predicted" => Ok(Self::Predicted),
            b"observed" => Ok(Self::Observed),
            other => Err(format!("fitness_source `{}`", String::from_utf8_lossy(other)).into()),
        }
    }
}

impl Network {
    /// By number. Read row by row: a client never holds the answer of the server as a whole.
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Vec<Self>, ReportError> {
        let rows = scope
            .query(include_str!("pareto.sql"))
            .load_iter::<Self, PgRowByRowLoadingMode>(conn)
            .map_err(failed("pareto"))?;
        let mut networks: Vec<Self> = rows.collect::<Result<_, _>>().map_err(failed("pareto"))?;
        networks.sort_unstable_by_key(|network| network.job_id);
        Ok(networks)
    }
}
