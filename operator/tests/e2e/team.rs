//! A namespace of one test, what is applied in it, and what it looks like afterwards.

use crate::cluster::{client, key, must, object, run};
use crate::recipe;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use splade_crds::{SpladeBenchmark, SpladeTraining, SpladeTrainingStatus};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What only a failure reaches.
const LIMIT: Duration = Duration::from_secs(420);
const PAUSE: Duration = Duration::from_millis(150);
const OURS: &str = "app.kubernetes.io/managed-by=splade-operator";

/// A namespace with the Secret of the storage.
pub struct Team {
    pub name: String,
    /// Where its trainings keep what they make, in the bucket; new for each run of the tests.
    pub prefix: String,
    client: Client,
}

impl Team {
    /// A new namespace of this name; one of an earlier run is removed before.
    pub async fn new(name: &str) -> Self {
        recipe::prepare();
        let name = format!("e2e-{name}");
        must(
            "kubectl",
            &["delete", "namespace", "--ignore-not-found", &name],
        );
        must("kubectl", &["create", "namespace", &name]);
        let team = Self {
            prefix: format!("{name}/{:08x}", fastrand::u32(..)),
            name,
            client: client().await,
        };
        team.kubectl(&[
            "create",
            "secret",
            "generic",
            "splade-storage",
            "--from-literal=access-key-id=e2e",
            "--from-literal=secret-access-key=e2e",
        ]);
        team
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        must(
            "kubectl",
            &[&["--namespace", &self.name], arguments].concat(),
        )
    }

    /// `kubectl apply` of a manifest; `Err` is what kubectl says.
    pub fn apply(&self, manifest: &str) -> Result<String, String> {
        run(
            "kubectl",
            &["--namespace", &self.name, "apply", "--filename", "-"],
            manifest,
        )
    }

    /// Applies the tiny training with these changes.
    pub fn train(&self, name: &str, changes: Value) {
        let manifest = recipe::training(&self.prefix, name, changes);
        self.apply(&manifest.to_string()).unwrap();
    }

    /// Changes a training's spec, as `kubectl patch` does.
    pub fn patch(&self, name: &str, spec: &Value) {
        let patch = serde_json::json!({"spec": spec}).to_string();
        self.kubectl(&[
            "patch",
            "spladetraining",
            name,
            "--type",
            "merge",
            "--patch",
            &patch,
        ]);
    }

    pub async fn status(&self, name: &str) -> SpladeTrainingStatus {
        self.api::<SpladeTraining>()
            .get(name)
            .await
            .unwrap()
            .status
            .unwrap_or_default()
    }

    /// Waits until a training's status is as wanted.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&SpladeTrainingStatus) -> bool,
    ) -> SpladeTrainingStatus {
        let mut last = None;
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            // The API server may be unreachable for a moment while a node goes.
            if let Ok(Some(training)) = self.api::<SpladeTraining>().get_opt(name).await {
                let status = training.status.unwrap_or_default();
                if wanted(&status) {
                    return status;
                }
                last = Some(status);
            }
            sleep(PAUSE).await;
        }
        panic!(
            "{}/{name}: waited in vain: {what}; last: {last:#?}",
            self.name
        );
    }

    /// Waits for success.
    pub async fn succeeded(&self, name: &str) -> SpladeTrainingStatus {
        self.ended(name, "Succeeded").await
    }

    /// Waits for failure.
    pub async fn failed(&self, name: &str) -> SpladeTrainingStatus {
        self.ended(name, "Failed").await
    }

    /// Waits for the end of a training and of its pods.
    async fn ended(&self, name: &str, condition: &str) -> SpladeTrainingStatus {
        let end = self
            .until(name, condition, |status| {
                let ended = is(status, "Succeeded") || is(status, "Failed");
                ended && is(status, "ResourcesReleased")
            })
            .await;
        assert!(
            is(&end, condition),
            "{}/{name} is not {condition}: {end:#?}",
            self.name
        );
        end
    }

    /// Waits until rank 0 of an attempt says that it has done `step` steps.
    pub async fn trained(&self, name: &str, attempt: u32, step: u64) {
        poll(&format!("step {step} of attempt {attempt}"), async || {
            let report = self.progress(name, attempt).await?;
            (report["step"].as_u64()? >= step).then_some(())
        })
        .await;
    }

    /// What rank 0 of an attempt says at /progress.
    pub async fn progress(&self, name: &str, attempt: u32) -> Option<Value> {
        let pods = self.pods_of(name, attempt).await;
        let first = pods.iter().find(|pod| {
            pod.annotations()
                .get("batch.kubernetes.io/job-completion-index")
                .map(String::as_str)
                == Some("0")
        })?;
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}:9464/proxy/progress",
            self.name,
            first.name_any()
        );
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        self.client.request::<Value>(request).await.ok()
    }

    /// The pods of an attempt of a training.
    pub async fn pods_of(&self, name: &str, attempt: u32) -> Vec<Pod> {
        let labels = format!(
            "neuralsparse.dev/training={name},neuralsparse.dev/attempt={attempt},app.kubernetes.io/component=training"
        );
        let pods = self
            .api::<Pod>()
            .list(&ListParams::default().labels(&labels))
            .await;
        pods.map(|list| list.items).unwrap_or_default()
    }

    /// The pod of an attempt on one node.
    pub async fn pod_of(&self, name: &str, attempt: u32) -> Pod {
        let mut pods = self.pods_of(name, attempt).await;
        assert_eq!(pods.len(), 1, "one pod of attempt {attempt}");
        pods.remove(0)
    }

    /// The weights of the exported model.
    pub async fn weights(&self, name: &str) -> Vec<u8> {
        let model = self
            .status(name)
            .await
            .model
            .expect("the model is exported");
        object(&format!("{}/model.safetensors", key(&model.uri)))
            .expect("the weights are in the bucket")
    }

    /// Holds a training that has ended to what it may leave: no pod that lives, no object without an owner that is there.
    pub async fn assert_tidy(&self) {
        let pods = self.ours::<Pod>().await;
        let living = pods.iter().filter(|pod| lives(pod));
        let living: Vec<_> = living.map(ResourceExt::name_any).collect();
        assert_eq!(living, Vec::<String>::new(), "pods that live on");
        // What was owned by a Job that has just gone is collected a moment later.
        poll("no object is an orphan", async || {
            self.orphans().await.is_empty().then_some(())
        })
        .await;
    }

    /// Objects of the operator whose owner is not there.
    async fn orphans(&self) -> Vec<ObjectMeta> {
        let mut objects = self.objects().await;
        let mut owners = self.uids::<SpladeTraining>().await;
        owners.extend(self.uids::<SpladeBenchmark>().await);
        owners.extend(self.uids::<Job>().await);
        objects.retain(|object| {
            let owned = object.owner_references.as_deref().unwrap_or_default();
            owned.is_empty() || owned.iter().any(|owner| !owners.contains(&owner.uid))
        });
        objects
    }

    /// Everything that the operator and Kubernetes have made here for trainings and benchmarks.
    async fn objects(&self) -> Vec<ObjectMeta> {
        let mut objects = metadata(self.ours::<Pod>().await);
        objects.extend(metadata(self.ours::<Job>().await));
        objects.extend(metadata(self.ours::<Service>().await));
        objects.extend(metadata(self.ours::<ConfigMap>().await));
        objects.extend(metadata(self.ours::<SpladeBenchmark>().await));
        objects
    }

    /// Deletes a training and waits until nothing is left of it or its benchmarks.
    pub async fn delete(&self, name: &str) {
        self.kubectl(&["delete", "spladetraining", name]);
        self.nothing_left().await;
    }

    /// Waits until the namespace has no object of the operator.
    pub async fn nothing_left(&self) {
        poll("nothing is left", async || {
            self.objects().await.is_empty().then_some(())
        })
        .await;
    }

    /// Events of an object: their reasons.
    pub fn events(&self, object: &str) -> String {
        let field = format!("involvedObject.name={object}");
        self.kubectl(&[
            "get",
            "events",
            "--field-selector",
            &field,
            "--output",
            "jsonpath={.items[*].reason}",
        ])
    }

    async fn ours<K>(&self) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        self.api::<K>()
            .list(&ListParams::default().labels(OURS))
            .await
            .unwrap()
            .items
    }

    async fn uids<K>(&self) -> Vec<String>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let list = self.api::<K>().list(&ListParams::default()).await.unwrap();
        list.items
            .iter()
            .filter_map(|object| object.meta().uid.clone())
            .collect()
    }
}

fn metadata<K: Resource>(objects: Vec<K>) -> Vec<ObjectMeta> {
    objects
        .into_iter()
        .map(|object| object.meta().clone())
        .collect()
}

fn lives(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether a condition is true.
pub fn is(status: &SpladeTrainingStatus, condition: &str) -> bool {
    status
        .conditions
        .iter()
        .any(|one| one.type_ == condition && one.status == "True")
}

/// Reason and message of a condition; empty before the first look.
pub fn says(status: &SpladeTrainingStatus, condition: &str) -> (String, String) {
    let found = status.conditions.iter().find(|one| one.type_ == condition);
    found
        .map(|one| (one.reason.clone(), one.message.clone()))
        .unwrap_or_default()
}

/// Waits until `look` finds something.
pub async fn poll<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "waited in vain: {what}");
        sleep(PAUSE).await;
    }
}
