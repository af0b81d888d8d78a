//! A workspace whose trainings keep what they make in a bucket.

use super::workspace::{Recipe, Workspace};
use splade_test_faults::{Moto, Proxy};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Optimizer steps of a training.
pub const STEPS: u32 = 30;

/// A workspace, a server with a bucket, and a proxy before it.
pub struct Place {
    /// Its workspace.
    pub workspace: Workspace,
    /// Its server.
    pub server: Moto,
    /// Its proxy.
    pub proxy: Proxy,
}

impl Place {
    pub fn new() -> Self {
        let server = Moto::start();
        server.create_bucket("splade");
        let proxy = Proxy::start(server.address());
        Self {
            workspace: Workspace::new(),
            server,
            proxy,
        }
    }

    /// A manifest whose checkpoints go to the bucket.
    pub fn manifest(&self, name: &'static str, limit: u32) -> PathBuf {
        let path = self.workspace.manifest(&Recipe {
            name,
            max_steps: STEPS,
            every_steps: 2,
            ..Recipe::default()
        });
        let text = fs::read_to_string(&path).unwrap().replace(
            &format!("uri: runs/{name}/checkpoints, everySteps: 2"),
            &format!(
                "uri: s3://splade/{name}/checkpoints, everySteps: 2, storageTimeoutSeconds: {limit}"
            ),
        );
        fs::write(&path, text).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str], manifest: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_splade-job"));
        command
            .args(arguments)
            .arg("-f")
            .arg(manifest)
            .current_dir(self.workspace.path())
            .env("TMPDIR", self.workspace.path())
            .env("AWS_ENDPOINT_URL", self.proxy.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env(
                "AWS_SHARED_CREDENTIALS_FILE",
                self.server.credentials_file(),
            );
        command
    }

    pub fn run(&self, arguments: &[&str], manifest: &Path) -> Output {
        self.command(arguments, manifest).output().unwrap()
    }

    pub fn succeed(&self, arguments: &[&str], manifest: &Path) -> String {
        let output = self.run(arguments, manifest);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{errors}");
        errors
    }

    pub fn spawn(&self, arguments: &[&str], manifest: &Path) -> Child {
        self.command(arguments, manifest)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Keys of the bucket below a prefix.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let listing = self.server.ask(
            "GET",
            &format!("/splade?list-type=2&max-keys=1000&prefix={prefix}"),
        );
        let text = listing.text();
        text.split("<Key>")
            .skip(1)
            .map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect()
    }

    /// SHA-256 of the weights of a run's last step, as its manifest names it.
    pub fn digest(&self, name: &str) -> String {
        let key = self
            .keys(&format!("{name}/checkpoints/"))
            .into_iter()
            .find(|key| key.ends_with(&format!("step-{STEPS:08}/MANIFEST.json")))
            .expect("the last checkpoint");
        let manifest = self.server.ask("GET", &format!("/splade/{key}")).text();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        manifest["files"]["model.safetensors"]["sha256"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// How many checkpoints an attempt has; every file of each is what its manifest says.
    pub fn whole_checkpoints(&self, attempt: &str) -> usize {
        let storage = self.storage(attempt);
        let keys: Vec<String> = self.keys(&format!("{attempt}/step-"));
        let manifests = keys.iter().filter(|key| key.ends_with("MANIFEST.json"));
        let mut count = 0;
        for key in manifests {
            let folder = key
                .trim_start_matches(attempt)
                .trim_start_matches('/')
                .trim_end_matches("/MANIFEST.json");
            let text = storage.get_bytes(&format!("{folder}/MANIFEST.json"), 1 << 20);
            let manifest: serde_json::Value = serde_json::from_slice(&text.unwrap()).unwrap();
            for (file, entry) in manifest["files"].as_object().unwrap() {
                let copy = self.workspace.path().join("copy");
                let got = storage
                    .get_file(&format!("{folder}/{file}"), &copy)
                    .unwrap();
                assert_eq!(entry["sha256"], got.sha256, "{key}: {file}");
            }
            count += 1;
        }
        count
    }

    /// Takes a folder of the workspace to the bucket by the storage crate's own upload, as `aws s3 sync` would.
    pub fn upload(&self, from: &str, to: &str) {
        let storage = self.storage(to);
        let folder = self.workspace.path().join(from).canonicalize().unwrap();
        for entry in walk(&folder) {
            let name = entry.strip_prefix(&folder).unwrap();
            storage
                .put_file(&name.display().to_string(), &entry)
                .unwrap();
        }
    }

    /// Storage below a key of the bucket, past the proxy.
    pub fn storage(&self, key: &str) -> std::sync::Arc<dyn splade_storage::Storage> {
        let settings = splade_storage::S3Settings {
            endpoint: Some(self.server.endpoint()),
            region: Some("us-east-1".into()),
            credentials_file: Some(self.server.credentials_file()),
            ..splade_storage::S3Settings::default()
        };
        let root: splade_storage::Location = format!("s3://splade/{key}").parse().unwrap();
        splade_storage::open(&root, &settings).unwrap()
    }

    pub fn wait_for_checkpoint(&self, name: &str, attempt: u32) {
        let deadline = Instant::now() + Duration::from_secs(300);
        let prefix = format!("{name}/checkpoints/attempt-{attempt:04}/");
        while !self
            .keys(&prefix)
            .iter()
            .any(|key| key.ends_with("MANIFEST.json"))
        {
            assert!(Instant::now() < deadline, "no checkpoint appears");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}
