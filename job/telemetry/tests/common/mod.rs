//! What the tests of telemetry share.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary uses its own part of this module, and fails by panicking"
)]

pub mod collector;
pub mod finished;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A program that `make setup` builds for the tests.
pub fn tool(name: &str) -> PathBuf {
    let folder = std::env::var("SPLADE_TOOLS").expect(
        "SPLADE_TOOLS is not set: run `make test`, or `make setup` and then `eval \"$(make env)\"`",
    );
    PathBuf::from(folder).join(name)
}

/// Asks again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command that runs the test `child` of this binary in a process of its own, which finds only these variables of
/// those that telemetry reads.
pub fn child_process(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars() {
        let ours = [
            "OTEL_",
            "TRACE",
            "RANK",
            "WORLD_SIZE",
            "RUST_LOG",
            "SPLADE_STATUS",
        ];
        if ours.iter().any(|start| name.starts_with(start)) {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied());
    command
}
