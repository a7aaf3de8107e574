//! What a worker counts, for Prometheus.

use std::time::Duration;

use prometheus::{
    Counter, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

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
    pub host_faults: IntCounter,
    pub slot_restarts: IntCounter,
    open_breakers: IntGauge,
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
            "Attempts that ended, by outcome, retried after a crash, or snoozed without one",
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
            host_faults: IntCounter::new(
                "peng_host_faults_total",
                "Attempts that this host could not train",
            )?,
            slot_restarts: IntCounter::new(
                "peng_slot_restarts_total",
                "Slots that ended early and were restarted",
            )?,
            open_breakers: IntGauge::new(
                "peng_open_breakers",
                "Slots that claim nothing but trials, since this host cannot train",
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
        registry.register(Box::new(self.open_breakers.clone()))?;
        for counter in [&self.renewals_failed, &self.host_faults, &self.slot_restarts] {
            registry.register(Box::new(counter.clone()))?;
        }
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

    /// All of them as Prometheus reads them.
    ///
    /// # Errors
    /// A metric that cannot be written as text.
    pub fn encode(&self, lease_age: Duration, open_breakers: usize) -> prometheus::Result<String> {
        self.lease_age.set(lease_age.as_secs_f64());
        self.open_breakers.set(open_breakers as i64);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
