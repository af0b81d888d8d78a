//! `splade-job info` says what is here, and no secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::process::Command;

#[test]
fn it_tells_what_this_machine_has() {
    let output = Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .arg("info")
        .env("OMP_NUM_THREADS", "1")
        .env("SPLADE_TEST_TOKEN", "hunter2")
        .env("HOME", "/somewhere/private")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in\n{text}"))
            .trim()
            .to_owned()
    };
    assert_eq!(line("splade-job "), env!("CARGO_PKG_VERSION"));

    let libtorch = std::env::var("LIBTORCH").unwrap();
    let header = Path::new(&libtorch).join("include/torch/headeronly/version.h");
    let header = std::fs::read_to_string(header).unwrap();
    let version = header
        .lines()
        // The definition may go on in the next line.
        .skip_while(|line| !line.starts_with("#define TORCH_VERSION "))
        .find_map(|line| line.split('"').nth(1))
        .unwrap();
    assert_eq!(line("libtorch"), version);

    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    assert!(line("system").contains(read("/proc/sys/kernel/osrelease").trim()));
    let processors = read("/proc/cpuinfo")
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    assert!(line("cpu ").ends_with(&format!(", {processors} processors")));
    assert!(line("memory").contains(" GiB, "));
    assert!(line("threads").starts_with("1 in an operation"));
    assert!(line("speed").contains(" GFLOP/s in FP32, measured on "));
    for name in ["nccl", "cuda", "features"] {
        assert!(!line(name).is_empty(), "{name}");
    }
    assert!(text.contains("OMP_NUM_THREADS=1") && text.contains("SPLADE_TEST_TOKEN=(set"));
    assert!(
        !text.contains("hunter2") && !text.contains("/somewhere/private"),
        "{text}"
    );
}

#[test]
fn a_misspelt_level_is_said_and_silences_nothing() {
    let output = Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .arg("info")
        .env("RUST_LOG", "inof")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("RUST_LOG=inof"), "{errors}");
}
