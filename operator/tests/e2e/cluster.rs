//! The cluster that `make test-e2e` has started.

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// S3 from here; pods reach the same server at an address of their own.
const S3: &str = "SPLADE_E2E_S3";
/// The bucket of the cluster's S3.
const BUCKET: &str = "splade";
/// That server refuses who does not say who asks, and believes everybody.
const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=e2e/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// What a variable of `make test-e2e` says.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test-e2e`"))
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A client of the cluster.
pub async fn client() -> Client {
    let kubeconfig = Kubeconfig::read_from(setting("KUBECONFIG")).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
    Client::try_from(config.await.unwrap()).unwrap()
}

/// Runs a program and gives what it prints; `Err` is what it says when it fails.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut process = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr) + &text(output.stdout))
    }
}

/// As `run`, where success is part of the test.
pub fn must(program: &str, arguments: &[&str]) -> String {
    run(program, arguments, "").unwrap_or_else(|said| panic!("{program} {arguments:?}: {said}"))
}

/// Does something to a node: `cut`, `kill`, `restore`.
pub fn node(verb: &str, name: &str) {
    must("tests/infra/kubernetes/node.sh", &[verb, name]);
}

/// Brings a node back when a test ends, also when it fails.
pub struct Restored<'a>(pub &'a str);

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        node("restore", self.0);
    }
}

/// An object of the bucket; None where there is none.
pub fn object(key: &str) -> Option<Vec<u8>> {
    let question = ureq::get(format!("{}/{BUCKET}/{key}", setting(S3)));
    match question.header("Authorization", SIGNED).call() {
        Ok(mut answer) => Some(answer.body_mut().read_to_vec().unwrap()),
        Err(ureq::Error::StatusCode(404)) => None,
        Err(error) => panic!("{key}: {error}"),
    }
}

/// A JSON object of the bucket.
pub fn json(key: &str) -> Value {
    let bytes = object(key).unwrap_or_else(|| panic!("{key} is not in the bucket"));
    serde_json::from_slice(&bytes).unwrap()
}

/// Puts a folder under a prefix of the bucket.
pub fn put_folder(folder: &Path, prefix: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let key = format!("{prefix}/{name}");
        if path.is_dir() {
            put_folder(&path, &key);
        } else {
            put(&key, &std::fs::read(&path).unwrap());
        }
    }
}

/// Puts an object into the bucket.
pub fn put(key: &str, content: &[u8]) {
    ureq::put(format!("{}/{BUCKET}/{key}", setting(S3)))
        .header("Authorization", SIGNED)
        .send(content)
        .unwrap();
}

/// The key of a location in the bucket.
pub fn key(uri: &str) -> &str {
    uri.strip_prefix("s3://splade/")
        .unwrap_or_else(|| panic!("{uri} is not in the bucket"))
}
