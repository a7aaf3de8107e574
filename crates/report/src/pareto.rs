//! Fitness against cost: the networks that no other beats in both.

use std::collections::BTreeMap;

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use serde::Serialize;

use crate::document::{Document, Section};
use crate::front::{Cost, Front};
use crate::network::{Network, Source};
use crate::output::Report;
use crate::scope::{Scope, failed, snapshot};
use crate::{Citation, Filter, ReportError};

/// Fitness against FLOPs and against parameters.
#[derive(Clone, Debug, Serialize)]
pub struct Pareto {
    /// What it is cited by.
    pub citation: Citation,
    /// Networks with a fitness.
    pub networks: usize,
    /// One front for each cost that is recorded.
    pub fronts: Vec<Front>,
}

/// Fitness against FLOPs and against parameters.
///
/// # Errors
/// If there is no such search, or the database does not answer.
pub fn pareto(conn: &mut PgConnection, search: &str, filter: &Filter) -> Result<Pareto, ReportError> {
    snapshot(conn, |conn| {
        let scope = Scope::open(conn, search, filter)?;
        Pareto::load(conn, &scope)
    })
}

impl Pareto {
    pub(crate) fn load(conn: &mut PgConnection, scope: &Scope<'_>) -> Result<Self, ReportError> {
        let networks = Network::load(conn, scope)?;
        let mut fronts: Vec<Front> =
            Cost::ALL.iter().filter_map(|&cost| Front::of(&networks, cost)).collect();
        let ids: Vec<i64> = fronts.iter().flat_map(|f| f.members.iter().map(|m| m.job_id)).collect();
        let words = summaries(conn, &ids)?;
        for member in fronts.iter_mut().flat_map(|front| &mut front.members) {
            member.summary = words.get(&member.job_id).cloned().unwrap_or_default();
        }
        Ok(Self { citation: scope.citation.clone(), networks: networks.len(), fronts })
    }

    pub(crate) fn sections(&self) -> Vec<Section> {
        if self.fronts.is_empty() {
            let why = "No FLOPs and no parameters are recorded for the networks of this search.";
            return vec![Section::new("Fitness against cost").note(why).table(Cost::Flops.table())];
        }
        let mut section = Section::new("Fitness against cost");
        for front in &self.fronts {
            let predicted = front.members.iter().filter(|m| m.fitness_source != Source::Measured).count();
            section = section
                .note(format!(
                    "{} of {} networks are on the front of fitness and {}, {predicted} of them by a prediction. It \
                     dominates {:.4} (the hypervolume) of the rectangle from fitness 0 to 100 % and from cost 0 to {}, \
                     that of the dearest network.",
                    front.members.len(),
                    front.networks,
                    front.cost.name(),
                    front.hypervolume,
                    crate::cell::large(front.reference)
                ))
                .table(front.table())
                .figure(Some(front.figure()));
        }
        vec![section]
    }
}

/// The genomes of some jobs, in one line each.
fn summaries(conn: &mut PgConnection, jobs: &[i64]) -> Result<BTreeMap<i64, String>, ReportError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        job_id: i64,
        #[diesel(sql_type = sql_types::Text)]
        summary: String,
    }
    let rows: Vec<Row> = sql_query(include_str!("front.sql"))
        .bind::<sql_types::Array<sql_types::BigInt>, _>(jobs)
        .load(conn)
        .map_err(failed("front"))?;
    Ok(rows.into_iter().map(|row| (row.job_id, row.summary)).collect())
}

impl Report for Pareto {
    fn document(&self) -> Document {
        let primary = if self.fronts.first().is_some_and(|f| f.cost == Cost::Parameters) {
            "pareto_parameters"
        } else {
            "pareto_flops"
        };
        let citations = vec![self.citation.clone()];
        Document { title: "pareto", primary, citations, highlights: vec![], sections: self.sections() }
    }
}
