//! Why there is no report.

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No search of that name.
    #[error("there is no search `{name}`{}", hint.as_ref().map(|h| format!(": did you mean `{h}`?")).unwrap_or_default())]
    NoSearch {
        /// The name asked for.
        name: String,
        /// The nearest name there is.
        hint: Option<String>,
    },
    /// No job of that number.
    #[error("there is no job {job}: `peng job list` shows those there are")]
    NoJob {
        /// The number asked for.
        job: i64,
    },
    /// A `--since` or `--where` that cannot be read.
    #[error("{option} `{found}`: expected {expected}")]
    Filter {
        /// The option.
        option: &'static str,
        /// What was given.
        found: String,
        /// What is allowed, with an example.
        expected: String,
    },
    /// The search has nothing that this analysis is about.
    #[error("search `{search}` has nothing to {operation}: {reason}")]
    Empty {
        /// Name of the search.
        search: String,
        /// The analysis, as a verb.
        operation: &'static str,
        /// What is missing, and how to get it.
        reason: String,
    },
    /// A query failed.
    #[error("cannot read `{statement}` from the database")]
    Query {
        /// Name of the SQL analysis.
        statement: &'static str,
        /// What the database said.
        source: diesel::result::Error,
    },
    /// A transaction could not be opened or closed.
    #[error("cannot read from the database")]
    Database(#[from] diesel::result::Error),
    /// An engine refused its settings.
    #[error("engine `{engine}`")]
    Engine {
        /// Name of the engine.
        engine: String,
        /// What it refused.
        source: predictor::SettingsError,
    },
    /// A stored curve that cannot be replayed.
    #[error("cannot replay the curves of `{search}`")]
    Curve {
        /// Name of the search.
        search: String,
        /// What is wrong with it.
        source: scheduler::simulation::SimulationError,
    },
    /// A figure could not be drawn.
    #[error("cannot draw the figure `{figure}`: {message}")]
    Figure {
        /// Name of the figure.
        figure: String,
        /// What the plotting library said.
        message: String,
    },
    /// The report could not be written.
    #[error("cannot write the report")]
    Write(#[from] std::io::Error),
    /// The report could not be written as JSON.
    #[error("cannot write the report as JSON")]
    Json(#[from] serde_json::Error),
}
