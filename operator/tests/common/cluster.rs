//! A cluster as far as Jobs and their pods go.

use super::pods;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use splade_crds::SpladeBenchmark;
use splade_operator::effect::Effect;
use splade_operator::objects::Object;
use std::collections::BTreeSet;

/// A cluster as far as Jobs and their pods go.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub now: Timestamp,
    pub jobs: Vec<Job>,
    pub pods: Vec<Pod>,
    pub benchmarks: Vec<SpladeBenchmark>,
    /// Services, ConfigMaps and PodGroups by kind and name.
    pub others: BTreeSet<String>,
    /// The owner has been deleted.
    pub is_deleted: bool,
    pub notices: Vec<&'static str>,
    /// Names of pods whose node is gone: nothing that happens to them shows.
    pub lost: BTreeSet<String>,
    /// What is never made twice.
    uids: u32,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            now: super::start(),
            jobs: Vec::new(),
            pods: Vec::new(),
            benchmarks: Vec::new(),
            others: BTreeSet::new(),
            is_deleted: false,
            notices: Vec::new(),
            lost: BTreeSet::new(),
            uids: 0,
        }
    }
}

impl Cluster {
    pub fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Lets Kubernetes work until nothing moves; runs the pods if `run`. Tells whether anything moved.
    pub fn settle(&mut self, run: bool) -> bool {
        let mut moved = false;
        while self.job_controller() || self.garbage_collector() || self.kubelet(run) {
            moved = true;
        }
        moved
    }

    /// The pods of a Job.
    pub fn pods_of<'a>(&'a mut self, job: &'a str) -> impl Iterator<Item = &'a mut Pod> {
        let prefix = format!("{job}-");
        self.pods
            .iter_mut()
            .filter(move |pod| pod.metadata.name.as_ref().unwrap().starts_with(&prefix))
    }

    pub fn pod(&mut self, name: &str) -> &mut Pod {
        let mut pods = self.pods.iter_mut();
        pods.find(|pod| pod.metadata.name.as_deref() == Some(name))
            .unwrap()
    }

    /// All pods of a Job end with this code and message.
    pub fn finish(&mut self, job: &str, code: i32, message: &str) {
        let now = self.now;
        for pod in self.pods_of(job) {
            pods::exit(pod, code, "Completed", message, now);
        }
    }

    pub(super) fn uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }

    /// Does what a plan wants done.
    pub fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Create(objects) => objects.iter().for_each(|object| self.create(object)),
            Effect::DeleteAttempt(objects) => {
                let names = [&objects.service, &Some(objects.config_map.clone())];
                for name in names.into_iter().flatten() {
                    self.others
                        .retain(|other| !other.ends_with(&format!("/{name}")));
                }
                if let Some((name, uid)) = &objects.job {
                    let now = self.now;
                    for job in &mut self.jobs {
                        let same = job.metadata.name.as_ref() == Some(name)
                            && job.metadata.uid.as_ref() == Some(uid);
                        if same && job.metadata.deletion_timestamp.is_none() {
                            job.metadata.deletion_timestamp = Some(Time(now));
                        }
                    }
                }
            }
            Effect::DeletePod { uid, at_once, .. } => {
                let now = self.now;
                if *at_once {
                    self.pods
                        .retain(|pod| pod.metadata.uid.as_ref() != Some(uid));
                } else if let Some(pod) = self
                    .pods
                    .iter_mut()
                    .find(|pod| pod.metadata.uid.as_ref() == Some(uid))
                {
                    pods::delete(pod, 300, now);
                }
            }
            Effect::DeleteOwner { .. } => self.is_deleted = true,
            Effect::Publish(notice) => self.notices.push(notice.reason),
        }
    }

    fn create(&mut self, object: &Object) {
        let name = |metadata: &ObjectMeta| metadata.name.clone().unwrap();
        match object {
            Object::Service(service) => {
                self.others
                    .insert(format!("Service/{}", name(&service.metadata)));
            }
            Object::ConfigMap(map) => {
                self.others
                    .insert(format!("ConfigMap/{}", name(&map.metadata)));
            }
            Object::PodGroup(_, group) => {
                self.others
                    .insert(format!("PodGroup/{}", name(&group.metadata)));
            }
            Object::Job(job) => {
                if !self
                    .jobs
                    .iter()
                    .any(|known| known.metadata.name == job.metadata.name)
                {
                    let mut job = job.as_ref().clone();
                    job.metadata.uid = Some(self.uid());
                    self.jobs.push(job);
                }
            }
            Object::Benchmark(benchmark) => {
                if !self
                    .benchmarks
                    .iter()
                    .any(|known| known.metadata.name == benchmark.metadata.name)
                {
                    self.benchmarks.push(benchmark.as_ref().clone());
                }
            }
        }
    }

    /// Deletes the pods of Jobs that are deleted, then the Jobs.
    fn garbage_collector(&mut self) -> bool {
        let mut moved = false;
        let now = self.now;
        let deleted: Vec<_> = self
            .jobs
            .iter()
            .filter(|job| job.metadata.deletion_timestamp.is_some())
            .map(|job| {
                (
                    job.metadata.name.clone().unwrap(),
                    job.metadata.uid.clone().unwrap(),
                )
            })
            .collect();
        for (name, uid) in deleted {
            let mut pods: Vec<_> = self.pods_of(&name).collect();
            for pod in pods
                .iter_mut()
                .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            {
                pods::delete(pod, 300, now);
                moved = true;
            }
            if pods.is_empty() {
                self.jobs
                    .retain(|job| job.metadata.uid.as_ref() != Some(&uid));
                moved = true;
            }
        }
        moved
    }

    /// Ends pods that are deleted, starts those that wait.
    fn kubelet(&mut self, run: bool) -> bool {
        let now = self.now;
        let count = self.pods.len();
        let mut moved = false;
        for pod in &mut self.pods {
            let name = pod.metadata.name.clone().unwrap();
            let leaves = pod.metadata.deletion_timestamp.is_some() && pods::may_run(pod);
            if leaves && !self.lost.contains(&name) {
                let message = r#"{"outcome":"Interrupted","exitCode":75}"#;
                pods::exit(pod, 75, "Error", message, now);
                moved = true;
            } else if run && pods::is_pending(pod) && !leaves && pod.status.is_none() {
                pods::run(pod, &format!("node-of-{name}"), now);
                moved = true;
            }
        }
        let jobs = &self.jobs;
        // What has ended and is deleted goes once its Job has counted it.
        self.pods.retain(|pod| {
            let owner = &pod.metadata.owner_references.as_ref().unwrap()[0].uid;
            let job = jobs
                .iter()
                .find(|job| job.metadata.uid.as_ref() == Some(owner));
            let counted = job.is_none_or(|job| {
                job.metadata.deletion_timestamp.is_some()
                    || !is_tracked(pod)
                    || has(job, &["FailureTarget", "Failed", "Complete"])
            });
            pod.metadata.deletion_timestamp.is_none() || pods::may_run(pod) || !counted
        });
        moved || self.pods.len() != count
    }
}

pub(super) fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.is_some()
}

pub(super) fn has(job: &Job, kinds: &[&str]) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| kinds.contains(&one.type_.as_str())))
}
