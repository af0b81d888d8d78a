//! What the tests of the job share.
#![allow(
    dead_code,
    reason = "each test binary uses its own part of this module"
)]

pub mod bucket;
pub mod parity;
pub mod workspace;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs `tests/references/<script>` and returns what it printed; its failure fails the test.
pub fn python(script: &str, arguments: &[&Path]) -> String {
    let interpreter = std::env::var("SPLADE_PYTHON")
        .expect("SPLADE_PYTHON is not set: run `make test`, or `make setup` and then `eval \"$(make env)\"`");
    let output = Command::new(interpreter)
        .arg(repository("tests/references").join(script))
        .args(arguments)
        // The references bring their own libtorch.
        .env_remove("LD_LIBRARY_PATH")
        .env("HF_HUB_OFFLINE", "1")
        .output()
        .expect("the reference interpreter starts");
    text(output, script)
}

/// Runs `splade-job` with these arguments.
pub fn splade_job(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Standard output of a command that must succeed.
pub fn text(output: Output, what: &str) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{what} failed with {}:\n{errors}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}
