//! Trainings small enough for a test: two layers, two ranks, steps of some 20 ms.

use crate::cluster::{put_folder, repository, run, setting};
use crate::merge::merge;
use serde_json::{Value, json};
use std::sync::Once;

/// The trainings that tests disturb. Each ends with weights of its own: how many threads a rank has on its node
/// changes the order of sums, and so the last bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// Both ranks on one node.
    OneNode,
    /// A rank on each node.
    TwoNodes,
    /// On one node, long enough for a fault every few seconds.
    Long,
}

impl Recipe {
    pub const ALL: [Self; 3] = [Self::OneNode, Self::TwoNodes, Self::Long];

    /// Optimizer steps.
    pub fn steps(self) -> u64 {
        match self {
            Self::OneNode | Self::TwoNodes => 300,
            Self::Long => 2500,
        }
    }

    /// What the manifest has beside that of `training`.
    pub fn changes(self) -> Value {
        let (nodes, devices) = match self {
            Self::OneNode | Self::Long => (1, 2),
            Self::TwoNodes => (2, 1),
        };
        json!({
            "gang": {"nodes": nodes, "devicesPerNode": devices},
            "optimizer": {"maxSteps": self.steps()},
        })
    }
}

/// Makes the model that trainings start from, and puts it and the data into the bucket, once.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let data = repository().join("data/quickstart");
        put_folder(&data, "e2e/data");
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model");
        let text = data.join("corpus.jsonl");
        let arguments = [
            "init",
            "--text",
            text.to_str().unwrap(),
            "--out",
            model.to_str().unwrap(),
            "--vocab-size",
            "2500",
            "--hidden-size",
            "64",
        ];
        run(&setting("SPLADE_E2E_JOB"), &arguments, "").unwrap();
        put_folder(&model, "e2e/model");
    });
}

/// How pods reach S3. The Secret is made with the namespace.
pub fn environment() -> Value {
    let secret = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "splade-storage", "key": key}}});
    json!([
        {"name": "AWS_ENDPOINT_URL_S3", "value": setting("SPLADE_E2E_S3_OF_PODS")},
        secret("AWS_ACCESS_KEY_ID", "access-key-id"),
        secret("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
    ])
}

/// The manifest of a training under a prefix of the bucket, with these changes to its spec (merged).
pub fn training(prefix: &str, name: &str, changes: Value) -> Value {
    let mut spec = json!({
        "model": {"base": "s3://splade/e2e/model"},
        "data": {
            "train": ["s3://splade/e2e/data/train.jsonl"],
            "queryMaxLength": 32,
            "documentMaxLength": 64,
            "hardNegatives": 1,
        },
        "loss": {"flops": {"schedule": {"warmupSteps": 100}}},
        "optimizer": {
            "maxSteps": 300,
            "learningRate": "1e-3",
            "batchSizePerDevice": 4,
            "gradientAccumulationSteps": 1,
            "precision": "FP32",
        },
        "checkpoint": {
            "uri": format!("s3://splade/e2e/{prefix}/{name}/checkpoints"),
            "everySteps": 25,
            "keepLast": 2,
        },
        "gang": {
            "nodes": 1,
            "devicesPerNode": 2,
            // The nodes' devices are numbers without a GPU behind them: ranks count on CPUs, and pods ask for devices.
            "deviceResource": "none",
            "sharedMemory": "256Mi",
            "resources": {
                "requests": {"cpu": "100m", "memory": "256Mi"},
                "limits": {"memory": "3Gi", "nvidia.com/gpu": 2},
            },
            "env": environment(),
        },
        "runPolicy": {
            "infrastructureRestarts": 4,
            "backoff": {"initialSeconds": 1, "maxSeconds": 4},
            "terminationTimeoutSeconds": 60,
        },
        "export": {"uri": format!("s3://splade/e2e/{prefix}/{name}/model")},
        "telemetry": {"logEverySteps": 10},
    });
    merge(&mut spec, changes);
    json!({
        "apiVersion": splade_crds::API_VERSION,
        "kind": "SpladeTraining",
        "metadata": {"name": name},
        "spec": spec,
    })
}
