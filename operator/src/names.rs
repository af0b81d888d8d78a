//! Names of everything that the operator creates. The API bounds the names of trainings and benchmarks so that all
//! of these stay within 63 characters.

use crate::labels::Component;

/// Container that does the work, in every pod.
pub const CONTAINER: &str = "job";

/// Name of an attempt's Job, and of its ConfigMap, Service and PodGroup.
pub fn of_attempt(component: Component, owner: &str, attempt: u32) -> String {
    match component {
        Component::Training => format!("{owner}-a{attempt}"),
        Component::Export => format!("{owner}-export-{attempt}"),
        Component::Benchmark => format!("{owner}-b{attempt}"),
    }
}

/// Name of the SpladeBenchmark of an entry of `spec.benchmarks`.
pub fn of_benchmark(training: &str, entry: &str) -> String {
    format!("{training}-{entry}")
}
