//! Runs the Python references next door, with the interpreter named by `SPLADE_PYTHON`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Feeds JSON to a script of `tests/python` and returns the JSON it prints.
pub fn ask(script: &str, input: &Value) -> Value {
    let python = std::env::var("SPLADE_PYTHON").expect(
        "SPLADE_PYTHON is not set: name a Python interpreter that has pytrec-eval-terrier and bm25s",
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/python")
        .join(script);
    let mut child = Command::new(&python)
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start SPLADE_PYTHON={python}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin
        .write_all(input.to_string().as_bytes())
        .expect("the script reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("the script ends");
    assert!(
        output.status.success(),
        "{script} failed with {}; see its output above",
        output.status
    );
    serde_json::from_slice(&output.stdout).expect("the script prints JSON and nothing else")
}
