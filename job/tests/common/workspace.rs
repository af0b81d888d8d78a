//! A folder with a small model and triplets, and manifests over them.

use std::fs;
use std::path::{Path, PathBuf};

/// A temporary folder in which commands run.
pub struct Workspace {
    folder: tempfile::TempDir,
}

/// What a test varies in the manifest.
#[derive(Clone)]
pub struct Recipe {
    /// Optimizer steps.
    pub max_steps: u32,
    /// Steps between checkpoints.
    pub every_steps: u32,
    /// Lines to add under `spec`.
    pub extra: String,
    /// Name of the run, which is also its folder.
    pub name: &'static str,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            max_steps: 6,
            every_steps: 2,
            extra: String::new(),
            name: "small",
        }
    }
}

impl Workspace {
    /// A model of width 64 over a vocabulary of 3,000, and the triplets of the quickstart.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = super::repository("data/quickstart");
        std::os::unix::fs::symlink(data.canonicalize().unwrap(), folder.path().join("data"))
            .unwrap();
        let arguments = "init --text data/corpus.jsonl data/train.jsonl --out model --vocab-size 3000 --hidden-size 64";
        let workspace = Self { folder };
        workspace.job(arguments);
        workspace
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `splade-job` with these arguments, which must succeed.
    pub fn job(&self, arguments: &str) -> String {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        super::text(super::splade_job(&arguments, self.path()), "splade-job")
    }

    /// Writes a manifest that trains, exports to `runs/<name>/export` and benchmarks; gives its path.
    pub fn manifest(&self, recipe: &Recipe) -> PathBuf {
        let Recipe {
            max_steps,
            every_steps,
            extra,
            name,
        } = recipe;
        let text = format!(
            r#"apiVersion: neuralsparse.dev/v1alpha1
kind: SpladeTraining
metadata: {{name: {name}}}
spec:
  model: {{base: model}}
  data: {{train: [data/train.jsonl], hardNegatives: 1, documentMaxLength: 128}}
  optimizer: {{maxSteps: {max_steps}, learningRate: "1e-3", batchSizePerDevice: 8, gradientAccumulationSteps: 2, precision: FP32}}
  gang: {{nodes: 1, devicesPerNode: 1, deviceResource: none}}
  checkpoint: {{uri: runs/{name}/checkpoints, everySteps: {every_steps}}}
  telemetry: {{logEverySteps: 1, tensorboard: runs/{name}/tensorboard}}
{extra}"#
        );
        let path = self.path().join(format!("{name}.yaml"));
        fs::write(&path, text).unwrap();
        path
    }

    /// The newest checkpoint's folder of a run.
    pub fn newest_checkpoint(&self, name: &str) -> PathBuf {
        let mut found = Vec::new();
        for attempt in
            fs::read_dir(self.path().join("runs").join(name).join("checkpoints")).unwrap()
        {
            let attempt = attempt.unwrap().path();
            if attempt
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("attempt-")
            {
                for step in fs::read_dir(&attempt).unwrap() {
                    let step = step.unwrap().path();
                    if step.join("MANIFEST.json").exists() {
                        found.push((step.file_name().unwrap().to_owned(), step));
                    }
                }
            }
        }
        found.sort();
        found.pop().expect("a checkpoint").1
    }
}
