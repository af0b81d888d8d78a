//! What the operator counts, in Prometheus' text format. No label holds the name of an object: label values come from
//! small fixed sets, so that a thousand trainings cost no more than one.

mod now;
mod transitions;

pub use transitions::{Transition, transitions};

use now::Now;
pub use now::{Benchmarks, Trainings};
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

type Labels = Vec<(&'static str, &'static str)>;

/// Bounds of the durations that a reconcile takes, in seconds.
const RECONCILE_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0];
/// Bounds of the times that pods take to start and attempts to run, in seconds.
const ATTEMPT_SECONDS: [f64; 12] = [
    1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1_800.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0,
];

/// Makes the histograms of a family.
#[derive(Clone, Debug)]
struct Bounds(&'static [f64]);

impl MetricConstructor<Histogram> for Bounds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Counts what the operator does.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Labels, Counter>,
    reconcile_errors: Family<Labels, Counter>,
    reconcile_duration: Family<Labels, Histogram, Bounds>,
    reconciles_in_flight: Family<Labels, Gauge>,
    leader: Gauge,
    api_requests: Family<Labels, Counter>,
    api_retries: Family<Labels, Counter>,
    watch_errors: Family<Labels, Counter>,
    progress_polls: Family<Labels, Counter>,
    restarts: Family<Labels, Counter>,
    time_to_running: Histogram,
    attempt_duration: Family<Labels, Histogram, Bounds>,
}

impl Metrics {
    /// Content type of [`Self::text`].
    pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

    /// Metrics at zero. What is there is counted in `trainings` and `benchmarks` at every scrape.
    pub fn new(trainings: Trainings, benchmarks: Benchmarks) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("splade_operator"),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_duration: Family::new_with_constructor(Bounds(&RECONCILE_SECONDS)),
            reconciles_in_flight: Family::default(),
            leader: Gauge::default(),
            api_requests: Family::default(),
            api_retries: Family::default(),
            watch_errors: Family::default(),
            progress_polls: Family::default(),
            restarts: Family::default(),
            time_to_running: Bounds(&ATTEMPT_SECONDS).new_metric(),
            attempt_duration: Family::new_with_constructor(Bounds(&ATTEMPT_SECONDS)),
        };
        metrics.register(Now {
            trainings,
            benchmarks,
        });
        metrics
    }

    fn register(&mut self, now: Now) {
        let registry = &mut self.registry;
        registry.register(
            "reconciles",
            "Reconciles that ended.",
            self.reconciles.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciles that failed, by category.",
            self.reconcile_errors.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took.",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register(
            "reconciles_in_flight",
            "Reconciles that run now.",
            self.reconciles_in_flight.clone(),
        );
        registry.register(
            "leader",
            "1 where this process leads, else 0.",
            self.leader.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API server but for watches, by result.",
            self.api_requests.clone(),
        );
        registry.register(
            "api_retries",
            "Requests to the API server that were sent again.",
            self.api_retries.clone(),
        );
        registry.register(
            "watch_errors",
            "Watches that failed and were begun anew.",
            self.watch_errors.clone(),
        );
        registry.register(
            "progress_polls",
            "Questions to running trainings where they stand, by result.",
            self.progress_polls.clone(),
        );
        registry.register(
            "training_restarts",
            "Restarts of trainings, by whose fault they were.",
            self.restarts.clone(),
        );
        registry.register_with_unit(
            "training_time_to_running",
            "From the creation of an attempt until all of its pods ran.",
            Unit::Seconds,
            self.time_to_running.clone(),
        );
        registry.register_with_unit(
            "training_attempt_duration",
            "How long attempts lasted, by why they ended.",
            Unit::Seconds,
            self.attempt_duration.clone(),
        );
        registry.register_collector(Box::new(now));
    }

    /// What a scrape gets.
    ///
    /// # Errors
    /// Never in practice: memory takes any text.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A reconcile of `kind` begins; it is counted when the result is dropped.
    pub fn reconcile(&self, kind: &'static str) -> Reconcile<'_> {
        self.reconciles_in_flight
            .get_or_create(&by_kind(kind))
            .inc();
        Reconcile {
            metrics: self,
            kind,
            begun: Instant::now(),
        }
    }

    /// A reconcile of `kind` failed, for a reason out of a fixed set.
    pub fn reconcile_error(&self, kind: &'static str, category: &'static str) {
        let labels = vec![("kind", kind), ("category", category)];
        self.reconcile_errors.get_or_create(&labels).inc();
    }

    /// Whether this process leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A request to the API server has ended.
    pub fn api_call(&self, verb: &'static str, resource: &'static str, result: &'static str) {
        let labels = vec![("verb", verb), ("resource", resource), ("result", result)];
        self.api_requests.get_or_create(&labels).inc();
    }

    /// A request to the API server is sent again.
    pub fn api_retry(&self, verb: &'static str, resource: &'static str) {
        let labels = vec![("verb", verb), ("resource", resource)];
        self.api_retries.get_or_create(&labels).inc();
    }

    /// A watch failed.
    pub fn watch_error(&self, resource: &'static str) {
        self.watch_errors
            .get_or_create(&vec![("resource", resource)])
            .inc();
    }

    /// A training was asked where it stands.
    pub fn progress_poll(&self, result: &'static str) {
        self.progress_polls
            .get_or_create(&vec![("result", result)])
            .inc();
    }

    /// What a written status of a training says that the one before it did not.
    pub fn record(&self, transition: Transition) {
        match transition {
            Transition::Restarted { cause, times } => {
                let restarts = self.restarts.get_or_create_owned(&vec![("cause", cause)]);
                restarts.inc_by(times.into());
            }
            Transition::Running { after } => self.time_to_running.observe(after.as_secs_f64()),
            Transition::AttemptEnded { cause, after } => {
                let durations = self.attempt_duration.get_or_create(&vec![("cause", cause)]);
                durations.observe(after.as_secs_f64());
            }
        }
    }
}

fn by_kind(kind: &'static str) -> Labels {
    vec![("kind", kind)]
}

/// A reconcile that runs.
#[must_use]
pub struct Reconcile<'a> {
    metrics: &'a Metrics,
    kind: &'static str,
    begun: Instant,
}

impl Reconcile<'_> {
    /// It has ended by itself; one that is only dropped was cut off.
    pub fn ended(self, succeeded: bool) -> Duration {
        let result = if succeeded { "ok" } else { "error" };
        let labels = vec![("kind", self.kind), ("result", result)];
        self.metrics.reconciles.get_or_create(&labels).inc();
        let took = self.begun.elapsed();
        let durations = &self.metrics.reconcile_duration;
        durations
            .get_or_create(&by_kind(self.kind))
            .observe(took.as_secs_f64());
        took
    }
}

impl Drop for Reconcile<'_> {
    fn drop(&mut self) {
        self.metrics
            .reconciles_in_flight
            .get_or_create(&by_kind(self.kind))
            .dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::runtime::reflector;

    fn metrics() -> Metrics {
        Metrics::new(reflector::store().0, reflector::store().0)
    }

    fn lines(metrics: &Metrics) -> Vec<String> {
        let text = metrics.text().unwrap();
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    fn has(metrics: &Metrics, line: &str) -> bool {
        lines(metrics).iter().any(|found| found == line)
    }

    #[test]
    fn a_reconcile_is_in_flight_until_it_ends() {
        let metrics = metrics();
        let one = metrics.reconcile("SpladeTraining");
        let other = metrics.reconcile("SpladeTraining");
        assert!(has(
            &metrics,
            r#"splade_operator_reconciles_in_flight{kind="SpladeTraining"} 2"#
        ));
        let _ = one.ended(true);
        drop(other);
        assert!(has(
            &metrics,
            r#"splade_operator_reconciles_in_flight{kind="SpladeTraining"} 0"#
        ));
        assert!(has(
            &metrics,
            r#"splade_operator_reconciles_total{kind="SpladeTraining",result="ok"} 1"#
        ));
        assert!(has(
            &metrics,
            r#"splade_operator_reconcile_duration_seconds_count{kind="SpladeTraining"} 1"#
        ));
    }

    #[test]
    fn calls_retries_and_errors_are_counted_by_what_they_are() {
        let metrics = metrics();
        metrics.api_call("update", "leases", "conflict");
        metrics.api_retry("patch", "jobs");
        metrics.reconcile_error("SpladeBenchmark", "conflict");
        metrics.set_leader(true);
        metrics.record(Transition::Restarted {
            cause: "Application",
            times: 2,
        });
        for line in [
            r#"splade_operator_api_requests_total{verb="update",resource="leases",result="conflict"} 1"#,
            r#"splade_operator_api_retries_total{verb="patch",resource="jobs"} 1"#,
            r#"splade_operator_reconcile_errors_total{kind="SpladeBenchmark",category="conflict"} 1"#,
            "splade_operator_leader 1",
            r#"splade_operator_training_restarts_total{cause="Application"} 2"#,
        ] {
            assert!(has(&metrics, line), "no {line} in {:#?}", lines(&metrics));
        }
    }
}
