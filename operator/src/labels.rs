//! Labels of everything that the operator creates.

use std::collections::BTreeMap;

/// Name of the training that an object belongs to.
pub const TRAINING: &str = "neuralsparse.dev/training";
/// Name of the benchmark that an object belongs to.
pub const BENCHMARK: &str = "neuralsparse.dev/benchmark";
/// Number of the attempt that an object belongs to.
pub const ATTEMPT: &str = "neuralsparse.dev/attempt";
/// What a pod does.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Who manages an object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const OPERATOR: &str = "splade-operator";
/// The program in a pod.
pub const NAME: &str = "app.kubernetes.io/name";
/// The value of [`NAME`].
pub const JOB: &str = "splade-job";

/// What the pods of an attempt do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// They train.
    Training,
    /// They write the finished model.
    Export,
    /// They measure a model.
    Benchmark,
}

impl Component {
    /// The value of [`COMPONENT`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Export => "export",
            Self::Benchmark => "benchmark",
        }
    }

    /// The label that holds the name of the owner.
    pub fn owner_label(self) -> &'static str {
        match self {
            Self::Training | Self::Export => TRAINING,
            Self::Benchmark => BENCHMARK,
        }
    }
}

/// Labels of an attempt's objects.
pub fn of_attempt(component: Component, owner: &str, attempt: u32) -> BTreeMap<String, String> {
    let mut labels = of(component);
    labels.insert(component.owner_label().into(), owner.into());
    labels.insert(ATTEMPT.into(), attempt.to_string());
    labels
}

/// Labels of a training's benchmark.
pub fn of_benchmark(training: &str) -> BTreeMap<String, String> {
    let mut labels = of(Component::Benchmark);
    labels.insert(TRAINING.into(), training.into());
    labels
}

fn of(component: Component) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME.into(), JOB.into()),
        (MANAGED_BY.into(), OPERATOR.into()),
        (COMPONENT.into(), component.name().into()),
    ])
}
