//! The benchmarks of the exported model.

use super::draft::Draft;
use crate::conditions::{Truth, holds};
use crate::effect::Effect;
use crate::names;
use crate::objects::Object;
use crate::training::build;
use splade_crds::benchmark::TrainingBenchmark;
use splade_crds::training::TrainingBenchmarkStatus;
use splade_crds::{ConditionType, DisplayState, SpladeBenchmark};

impl Draft<'_> {
    /// Creates the benchmarks that are missing and collects the results of those that have ended.
    pub(super) fn benchmark(&mut self) {
        let spec = self.spec();
        if spec.benchmarks.is_empty() {
            let text = "spec.benchmarks is empty";
            self.set(ConditionType::Benchmarked, Truth::False, "NotAsked", text);
            return self.succeed();
        }
        let found = |entry: &TrainingBenchmark| {
            let name = names::of_benchmark(self.name(), &entry.name);
            let mut all = self.observed.benchmarks.iter();
            all.find(|benchmark| benchmark.metadata.name.as_ref() == Some(&name))
        };
        let all: Vec<_> = spec
            .benchmarks
            .iter()
            .map(|entry| (entry, found(entry)))
            .collect();
        self.status.benchmarks = all
            .iter()
            .map(|(entry, found)| result(&entry.name, found.map(AsRef::as_ref)))
            .collect();
        let missing = all.iter().filter(|(_, found)| found.is_none());
        let missing: Vec<_> = missing.map(|(entry, _)| *entry).collect();
        if !missing.is_empty() {
            self.create_benchmarks(&missing);
        } else if self
            .status
            .benchmarks
            .iter()
            .all(|one| one.succeeded.is_some())
        {
            self.benchmarked();
        } else {
            self.benchmarking();
        }
    }

    fn create_benchmarks(&mut self, missing: &[&TrainingBenchmark]) {
        if self.spec().run_policy.suspend {
            let text = "runPolicy.suspend is set";
            return self.goes_on(DisplayState::Suspended, "Suspended", text);
        }
        let Some(training) = self.valid() else { return };
        let objects = missing.iter().map(|entry| {
            let benchmark = build::benchmark(&training, entry);
            Object::Benchmark(Box::new(benchmark))
        });
        self.effects.push(Effect::Create(objects.collect()));
        self.benchmarking();
    }

    fn benchmarking(&mut self) {
        let all = &self.status.benchmarks;
        let ended = all.iter().filter(|one| one.succeeded.is_some()).count();
        let text = format!("{ended} of {} benchmarks have ended", all.len());
        self.goes_on(DisplayState::Benchmarking, "Benchmarking", &text);
        self.set(
            ConditionType::Benchmarked,
            Truth::Unknown,
            "Benchmarking",
            text,
        );
    }

    fn benchmarked(&mut self) {
        let failed: Vec<_> = self
            .status
            .benchmarks
            .iter()
            .filter(|one| one.succeeded == Some(false))
            .map(|one| one.name.as_str())
            .collect();
        let kind = ConditionType::Benchmarked;
        if failed.is_empty() {
            self.set(
                kind,
                Truth::True,
                "Benchmarked",
                "all benchmarks have succeeded",
            );
        } else {
            let text = format!(
                "failed: {}; the model is not touched by that",
                failed.join(", ")
            );
            self.set(kind, Truth::False, "BenchmarkFailed", text);
        }
        self.succeed();
    }
}

fn result(entry: &str, benchmark: Option<&SpladeBenchmark>) -> TrainingBenchmarkStatus {
    let status = benchmark.and_then(|benchmark| benchmark.status.as_ref());
    let is = |kind| status.is_some_and(|status| holds(&status.conditions, kind));
    let succeeded = match (is(ConditionType::Succeeded), is(ConditionType::Failed)) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    TrainingBenchmarkStatus {
        name: entry.into(),
        succeeded,
        summary: status
            .filter(|_| succeeded == Some(true))
            .and_then(|status| status.summary.clone()),
    }
}
