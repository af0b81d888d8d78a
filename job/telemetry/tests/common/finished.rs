//! A test of its own process: what it did, printed and logged.

use super::child_process;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;
use std::time::Duration;

/// What a child did.
pub struct Finished {
    output: Output,
}

impl Finished {
    /// Runs the test `child` with this `SCENARIO` and these further variables.
    pub fn run(scenario: &str, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("SCENARIO", scenario)];
        all.extend(variables);
        let output = child_process(&all).output().unwrap();
        let finished = Self { output };
        assert!(finished.output.status.success(), "{}", finished.errors());
        finished
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// What it printed after `out NAME`.
    pub fn value(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.output.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("out ")?.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
            .trim()
            .to_owned()
    }

    pub fn milliseconds(&self, name: &str) -> Duration {
        Duration::from_millis(self.value(name).parse().unwrap())
    }

    /// The log lines, which are JSON.
    pub fn log(&self) -> Vec<BTreeMap<String, Value>> {
        let errors = self.errors();
        let lines = errors.lines().filter(|line| line.starts_with('{'));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    pub fn warnings(&self) -> Vec<String> {
        let lines = self
            .log()
            .into_iter()
            .filter(|line| line["level"] == "WARN");
        lines
            .map(|line| line["message"].as_str().unwrap().to_owned())
            .collect()
    }
}
