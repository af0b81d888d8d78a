//! What the Job controller of Kubernetes does.

use super::cluster::{Cluster, has, is_tracked};
use super::pods;
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};

/// What a pod has until its Job has counted it.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";

impl Cluster {
    /// Makes pods, fails and completes Jobs.
    pub(super) fn job_controller(&mut self) -> bool {
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
                creation_timestamp: Some(Time(self.now)),
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
