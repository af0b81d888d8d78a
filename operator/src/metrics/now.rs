//! Metrics that are counted when they are asked for: what there is at this moment.

use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use splade_crds::training::SpladeTrainingStatus;
use splade_crds::{DisplayState, SpladeBenchmark, SpladeTraining};
use std::collections::BTreeMap;
use std::fmt;

/// The trainings of the cluster.
pub type Trainings = Store<DeserializeGuard<SpladeTraining>>;
/// The benchmarks of the cluster.
pub type Benchmarks = Store<DeserializeGuard<SpladeBenchmark>>;

/// All states that an object can be shown in.
const STATES: [DisplayState; 9] = [
    DisplayState::Pending,
    DisplayState::Starting,
    DisplayState::Running,
    DisplayState::Restarting,
    DisplayState::Exporting,
    DisplayState::Benchmarking,
    DisplayState::Suspended,
    DisplayState::Succeeded,
    DisplayState::Failed,
];

/// Where objects are counted.
pub(super) struct Now {
    pub(super) trainings: Trainings,
    pub(super) benchmarks: Benchmarks,
}

impl fmt::Debug for Now {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Now").finish_non_exhaustive()
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut training_states = Counts::default();
        let mut oldest_checkpoint: Option<f64> = None;
        let now = Timestamp::now();
        for training in self.trainings.state() {
            let status = training
                .0
                .as_ref()
                .ok()
                .and_then(|training| training.status.as_ref());
            let state = status.and_then(|status| status.state);
            training_states.add(state);
            if state == Some(DisplayState::Running)
                && let Some(age) = status.and_then(|status| checkpoint_age(status, now))
            {
                oldest_checkpoint = Some(oldest_checkpoint.map_or(age, |oldest| oldest.max(age)));
            }
        }
        let mut benchmark_states = Counts::default();
        for benchmark in self.benchmarks.state() {
            let status = benchmark
                .0
                .as_ref()
                .ok()
                .and_then(|benchmark| benchmark.status.as_ref());
            benchmark_states.add(status.and_then(|status| status.state));
        }
        gauge(
            &mut encoder,
            "build_info",
            "1, with the version of the program.",
            &[(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0)],
        )?;
        gauge(
            &mut encoder,
            "trainings",
            "SpladeTrainings by state.",
            &training_states.samples(),
        )?;
        gauge(
            &mut encoder,
            "benchmarks",
            "SpladeBenchmarks by state.",
            &benchmark_states.samples(),
        )?;
        // Without a checkpoint the metric is left out: a zero would say that there is a fresh one.
        if let Some(age) = oldest_checkpoint {
            let help = "Age of the newest checkpoint of the running training where it is oldest.";
            let mut family = encoder.encode_descriptor(
                "oldest_checkpoint_age",
                help,
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?;
            family.encode_gauge(&age)?;
        }
        Ok(())
    }
}

/// How many objects are in each state.
#[derive(Default)]
struct Counts(BTreeMap<String, u32>);

impl Counts {
    fn add(&mut self, state: Option<DisplayState>) {
        *self.0.entry(label(state)).or_default() += 1;
    }

    /// One sample for each state, those without any object too.
    fn samples(&self) -> Vec<(Vec<(&'static str, String)>, f64)> {
        let states = STATES
            .iter()
            .map(|&state| label(Some(state)))
            .chain([label(None)]);
        states
            .map(|state| {
                let count = self.0.get(&state).copied().unwrap_or(0);
                (vec![("state", state)], f64::from(count))
            })
            .collect()
    }
}

/// An object that nobody has looked at yet is `Unknown`.
fn label(state: Option<DisplayState>) -> String {
    state.map_or_else(|| "Unknown".to_owned(), |state| format!("{state:?}"))
}

fn checkpoint_age(status: &SpladeTrainingStatus, now: Timestamp) -> Option<f64> {
    let saved = status.checkpoint.as_ref()?.time.0;
    Some(now.duration_since(saved).as_secs_f64().max(0.0))
}

fn gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    samples: &[(Vec<(&'static str, String)>, f64)],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        family.encode_family(labels)?.encode_gauge(value)?;
    }
    Ok(())
}
