//! What a worker counts, for Prometheus.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};
use tiny_http::{Header, Method, Request, Response, Server};
use tracing::debug;

use crate::slot::Shared;

/// How long one wait for a request lasts, and so how long the thread takes to leave.
const WAIT: Duration = Duration::from_millis(250);

/// Counted since the worker began; docs/jobs.md lists them.
pub struct Metrics {
    registry: Registry,
    jobs: IntCounterVec,
    observations: IntCounter,
    epochs_trained: Counter,
    pub epochs_saved: Counter,
    interval_seconds: Histogram,
    pub standstill_seconds: Histogram,
    lease_age: Gauge,
    pub renewals_failed: IntCounter,
    pub claim_seconds: Histogram,
    pub record_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new().expect("the names are valid and differ")
    }
}

impl Metrics {
    fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let statement = |name, help| {
            let opts = HistogramOpts::new(name, help);
            Histogram::with_opts(opts.buckets(prometheus::exponential_buckets(0.000_5, 2.0, 14)?))
        };
        let intervals = HistogramOpts::new("peng_interval_seconds", "Training and validating one interval")
            .buckets(prometheus::exponential_buckets(0.25, 2.0, 14)?);
        let standstill = HistogramOpts::new(
            "peng_standstill_seconds",
            "A training stood still between two intervals: its state was saved and handed over",
        )
        .buckets(prometheus::exponential_buckets(0.000_1, 2.0, 18)?);
        let jobs = Opts::new(
            "peng_jobs_total",
            "Attempts that ended, by outcome, retried after a crash, or put off without one",
        );
        let metrics = Self {
            jobs: IntCounterVec::new(jobs, &["outcome"])?,
            observations: IntCounter::new("peng_observations_total", "Observations recorded")?,
            epochs_trained: Counter::new("peng_epochs_trained_total", "Epochs trained and recorded")?,
            epochs_saved: Counter::new("peng_epochs_saved_total", "Epochs that the predictor made needless")?,
            interval_seconds: Histogram::with_opts(intervals)?,
            standstill_seconds: Histogram::with_opts(standstill)?,
            lease_age: Gauge::new(
                "peng_lease_age_seconds",
                "Since the least recent confirmation of a held lease",
            )?,
            renewals_failed: IntCounter::new(
                "peng_renewals_failed_total",
                "Renewals that the database did not take",
            )?,
            claim_seconds: statement("peng_claim_seconds", "One look at the queue")?,
            record_seconds: statement("peng_record_seconds", "Writing one observation")?,
            registry,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> prometheus::Result<()> {
        let Self { registry, jobs, observations, epochs_trained, epochs_saved, .. } = self;
        registry.register(Box::new(jobs.clone()))?;
        registry.register(Box::new(observations.clone()))?;
        registry.register(Box::new(epochs_trained.clone()))?;
        registry.register(Box::new(epochs_saved.clone()))?;
        registry.register(Box::new(self.lease_age.clone()))?;
        registry.register(Box::new(self.renewals_failed.clone()))?;
        let Self { interval_seconds, standstill_seconds, claim_seconds, record_seconds, .. } = self;
        for histogram in [interval_seconds, standstill_seconds, claim_seconds, record_seconds] {
            registry.register(Box::new(histogram.clone()))?;
        }
        Ok(())
    }

    /// An attempt ended so.
    pub fn ended(&self, outcome: &str) {
        self.jobs.with_label_values(&[outcome]).inc();
    }

    /// An interval of so many epochs, which took so many seconds, was recorded.
    pub fn observed(&self, epochs: f64, seconds: f64) {
        self.observations.inc();
        self.epochs_trained.inc_by(epochs);
        self.interval_seconds.observe(seconds);
    }
}

/// Listens for Prometheus.
///
/// # Errors
/// An address that cannot be had.
pub fn bind(address: SocketAddr) -> anyhow::Result<Server> {
    Server::http(address)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .with_context(|| format!("cannot serve metrics on {address}"))
}

/// Answers requests until the channel closes.
pub fn serve(shared: &Shared, server: &Server, stop: &Receiver<()>) {
    while stop.recv_timeout(Duration::ZERO) != Err(RecvTimeoutError::Disconnected) {
        match server.recv_timeout(WAIT) {
            Ok(Some(request)) => answer(shared, request),
            Ok(None) => {}
            Err(error) => debug!("cannot take a request for metrics: {error}"),
        }
    }
}

fn answer(shared: &Shared, request: Request) {
    let done = if (request.method(), request.url()) == (&Method::Get, "/metrics") {
        let age = shared.holds.all().iter().map(|(_, hold)| hold.silence()).max().unwrap_or_default();
        shared.metrics.lease_age.set(age.as_secs_f64());
        match TextEncoder::new().encode_to_string(&shared.metrics.registry.gather()) {
            Ok(text) => {
                let plain =
                    Header::from_bytes("Content-Type", prometheus::TEXT_FORMAT).expect("a valid header");
                request.respond(Response::from_string(text).with_header(plain))
            }
            Err(error) => request.respond(Response::from_string(format!("{error}\n")).with_status_code(500)),
        }
    } else {
        request.respond(Response::from_string("metrics are at /metrics\n").with_status_code(404))
    };
    if let Err(error) = done {
        debug!("cannot answer a request for metrics: {error}");
    }
}
