//! A cluster as far as Jobs and their pods go.

use super::pods;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use splade_crds::SpladeBenchmark;
use splade_operator::effect::Effect;
use splade_operator::objects::Object;
use std::collections::BTreeSet;

/// What a pod has until its Job has counted it.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

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

    fn uid(&mut self) -> String {
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

    /// Makes pods, fails and completes Jobs.
    fn job_controller(&mut self) -> bool {
        let mut moved = false;
        for index in 0..self.jobs.len() {
            let job = self.jobs[index].clone();
            let spec = job.spec.clone().unwrap();
            if job.metadata.deletion_timestamp.is_some() || has(&job, &["Complete", "Failed"]) {
                continue;
            }
            let size = spec.completions.unwrap();
            let (name, now) = (job.metadata.name.clone().unwrap(), self.now);
            let all: Vec<_> = self.pods_of(&name).map(|pod| pod.clone()).collect();
            let all: Vec<_> = all.into_iter().filter(is_tracked).collect();
            let suspended = spec.suspend == Some(true);
            let begun = job
                .status
                .as_ref()
                .is_some_and(|status| status.active.is_some());
            let lost = all.len() < usize::try_from(size).unwrap();
            let ignored = ignored_codes(&job);
            let fails = |pod: &Pod| {
                pods::phase(pod) == "Failed"
                    && !pods::exit_code(pod).is_some_and(|code| ignored.contains(&code))
            };
            let failed = has(&job, &["FailureTarget"])
                || all.iter().any(fails)
                || (begun && !suspended && lost && ignored.is_empty());
            let done = all
                .iter()
                .filter(|pod| pods::phase(pod) == "Succeeded")
                .count();
            if failed && !has(&job, &["FailureTarget"]) {
                self.note(index, "FailureTarget");
                for pod in self.pods_of(&name).filter(|pod| pods::may_run(pod)) {
                    pods::delete(pod, 300, now);
                }
                moved = true;
            } else if failed && !all.iter().any(pods::may_run) {
                self.note(index, "Failed");
                moved = true;
            } else if done == usize::try_from(size).unwrap() {
                self.note(index, "Complete");
                moved = true;
            } else if suspended && !failed {
                moved |= self.take_back(index);
            } else if job.status.is_none() {
                self.jobs[index].status = Some(JobStatus {
                    start_time: Some(Time(now)),
                    ..JobStatus::default()
                });
                moved = true;
            } else if !begun && !failed {
                moved |= self.make_pods(index, size);
            } else if begun && !failed {
                moved |= self.replace_pods(index, size);
            }
        }
        moved
    }

    /// Makes the pods of a Job once none of those it had before may run (podReplacementPolicy Failed), and none again
    /// that has ended well.
    fn make_pods(&mut self, job: usize, size: i32) -> bool {
        let job = &mut self.jobs[job];
        let name = job.metadata.name.clone().unwrap();
        let prefix = format!("{name}-");
        let mut pods = self.pods.iter();
        if pods.any(|pod| {
            let pod_name = pod.metadata.name.as_deref().unwrap();
            pod_name.starts_with(&prefix) && pods::phase(pod) != "Succeeded"
        }) {
            return false;
        }
        job.status.get_or_insert_default().active = Some(size);
        let job = job.clone();
        for place in 0..size {
            let pod = self.new_pod(&job, place);
            let name = &pod.metadata.name;
            if !self.pods.iter().any(|known| known.metadata.name == *name) {
                self.pods.push(pod);
            }
        }
        true
    }

    /// Counts pods that failed and do not end the Job, and makes others in their places.
    fn replace_pods(&mut self, job: usize, size: i32) -> bool {
        let job = self.jobs[job].clone();
        let name = job.metadata.name.clone().unwrap();
        let mut moved = false;
        for pod in self.pods_of(&name) {
            if is_tracked(pod) && pods::phase(pod) == "Failed" {
                pod.metadata.finalizers = None;
                moved = true;
            }
        }
        for place in 0..size {
            let label = place.to_string();
            let taken = self.pods_of(&name).any(|pod| {
                let labels = pod.metadata.labels.as_ref().unwrap();
                labels.get(COMPLETION_INDEX) == Some(&label)
                    && (is_tracked(pod) || pods::may_run(pod))
            });
            if !taken {
                let mut pod = self.new_pod(&job, place);
                let uid = pod.metadata.uid.clone().unwrap();
                pod.metadata.name = Some(format!("{name}-{place}-{uid}"));
                self.pods.push(pod);
                moved = true;
            }
        }
        moved
    }

    /// A Job that is suspended loses its pods and tracks them no more; it may begin anew.
    fn take_back(&mut self, job: usize) -> bool {
        let (name, now) = (self.jobs[job].metadata.name.clone().unwrap(), self.now);
        let mut moved = self.jobs[job].status.take().is_some();
        let runs = |pod: &&mut Pod| pods::may_run(pod) && pod.metadata.deletion_timestamp.is_none();
        for pod in self.pods_of(&name).filter(runs) {
            pod.metadata.finalizers = None;
            pods::delete(pod, 300, now);
            moved = true;
        }
        moved
    }

    fn note(&mut self, job: usize, kind: &str) {
        let status = self.jobs[job].status.get_or_insert_default();
        status
            .conditions
            .get_or_insert_default()
            .push(JobCondition {
                type_: kind.into(),
                status: "True".into(),
                reason: Some("PodFailurePolicy".into()),
                last_transition_time: Some(Time(self.now)),
                ..JobCondition::default()
            });
    }

    fn new_pod(&mut self, job: &Job, place: i32) -> Pod {
        let template = job.spec.clone().unwrap().template;
        let name = job.metadata.name.clone().unwrap();
        let mut labels = template.metadata.unwrap().labels.unwrap();
        labels.insert(COMPLETION_INDEX.into(), place.to_string());
        Pod {
            metadata: ObjectMeta {
                name: Some(format!("{name}-{place}")),
                uid: Some(self.uid()),
                labels: Some(labels),
                finalizers: Some(vec![TRACKING.into()]),
                owner_references: Some(vec![OwnerReference {
                    kind: "Job".into(),
                    name,
                    uid: job.metadata.uid.clone().unwrap(),
                    controller: Some(true),
                    ..OwnerReference::default()
                }]),
                ..ObjectMeta::default()
            },
            spec: template.spec,
            status: None,
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

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.is_some()
}

/// Exit codes that do not fail a Job.
fn ignored_codes(job: &Job) -> Vec<i32> {
    let policy = job.spec.as_ref().unwrap().pod_failure_policy.as_ref();
    let rules = policy.unwrap().rules.iter();
    rules
        .filter(|rule| rule.action == "Ignore")
        .flat_map(|rule| rule.on_exit_codes.as_ref().unwrap().values.clone())
        .collect()
}

fn has(job: &Job, kinds: &[&str]) -> bool {
    let conditions = job
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| kinds.contains(&one.type_.as_str())))
}
