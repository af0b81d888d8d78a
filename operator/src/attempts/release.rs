//! What attempts that have ended still hold, and how it is freed.

use crate::effect::{AttemptObjects, Effect, PodGroupApi};
use crate::labels::{self, Component};
use crate::objects::pod_group_of;
use crate::pods::{Gang, PodView};
use crate::settings::ClusterOffers;
use crate::time;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;

/// Seconds that a pod may overstay the time that it was given to leave: its node is gone then.
const OVERSTAY_SECONDS: u64 = 30;
/// Seconds that Kubernetes has to end a Job whose pod has failed, so that its pods stay for their logs.
const SETTLE_SECONDS: u64 = 10;

/// What to keep of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// Everything: this attempt goes on, or has ended well.
    Attempt(u32),
    /// The Job and its pods for their logs, if it ends by itself soon after this time.
    Ended(u32, Timestamp),
}

/// What is freed, and what is still held.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// What to do.
    pub effects: Vec<Effect>,
    /// What is still there, for a person; nothing when all is free.
    pub held: Vec<String>,
    /// When to look again without news.
    pub next: Option<Timestamp>,
}

/// All attempts of one kind of one owner.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a> {
    /// What their pods do.
    pub component: Component,
    /// Name of the owner.
    pub owner: &'a str,
    /// Jobs that the owner controls.
    pub jobs: &'a [Arc<Job>],
    /// Pods with the owner's label.
    pub pods: &'a [Arc<Pod>],
    /// PodGroup of an attempt that begins now.
    pub pod_group: Option<PodGroupApi>,
    /// Scheduler interfaces of the cluster.
    pub offers: ClusterOffers,
}

impl Attempts<'_> {
    /// Frees what attempts hold, apart from what is to be kept. As long as anything is held, no attempt may begin.
    pub fn release(&self, keep: Keep, now: Timestamp) -> Release {
        let mut release = Release::default();
        for job in self.jobs.iter().filter(|job| self.is_ours(job)) {
            self.release_job(job, keep, now, &mut release);
        }
        for pod in self.pods.iter().map(|pod| PodView(pod)) {
            let ours = pod.label(labels::COMPONENT) == Some(self.component.name());
            if ours && pod.may_run() && !self.is_kept(pod, keep) {
                self.release_pod(pod, now, &mut release);
            }
        }
        release
    }

    fn release_job(&self, job: &Job, keep: Keep, now: Timestamp, release: &mut Release) {
        let Some((name, uid)) = job.metadata.name.clone().zip(job.metadata.uid.clone()) else {
            return;
        };
        let number = number_of(job);
        match keep {
            Keep::Attempt(kept) if number == Some(kept) => return,
            Keep::Ended(kept, ended) if number == Some(kept) => {
                if self.gang(kept).is_finishing() {
                    return;
                }
                let settled = time::later(ended, SETTLE_SECONDS);
                if now < settled {
                    release.next = earliest(release.next, settled);
                    release.held.push(format!("Job {name}"));
                    return;
                }
            }
            Keep::Nothing | Keep::Attempt(_) | Keep::Ended(..) => {}
        }
        release.held.push(format!("Job {name}"));
        if job.metadata.deletion_timestamp.is_none() {
            release.effects.push(Effect::DeleteAttempt(AttemptObjects {
                pod_group: pod_group_of(job, &self.offers).map(|api| (api, name.clone())),
                job: Some((name.clone(), uid)),
                ..self.objects(name)
            }));
        }
    }

    fn release_pod(&self, pod: PodView<'_>, now: Timestamp, release: &mut Release) {
        release.held.push(format!("pod {}", pod.name()));
        let delete = |at_once| Effect::DeletePod {
            name: pod.name().into(),
            uid: pod.uid().into(),
            at_once,
        };
        match pod.leaves_by() {
            Some(leaves_by) => {
                let overstays = time::later(leaves_by, OVERSTAY_SECONDS);
                if now >= overstays {
                    release.effects.push(delete(true));
                } else {
                    release.next = earliest(release.next, overstays);
                }
            }
            // With its Job it goes by itself.
            None if self.has_job(pod) => {}
            None => release.effects.push(delete(false)),
        }
    }

    /// What belongs to the attempt of this name, its Job apart.
    pub fn objects(&self, name: String) -> AttemptObjects {
        AttemptObjects {
            service: (self.component == Component::Training).then(|| name.clone()),
            pod_group: self.pod_group.map(|api| (api, name.clone())),
            config_map: name,
            job: None,
        }
    }

    fn gang(&self, number: u32) -> Gang<'_> {
        Gang::find(self.component, self.owner, number, 0, self.jobs, self.pods)
    }

    fn is_ours(&self, job: &Job) -> bool {
        let labels = job.metadata.labels.as_ref();
        let component = labels.and_then(|labels| labels.get(labels::COMPONENT));
        component.is_some_and(|component| component == self.component.name())
    }

    fn has_job(&self, pod: PodView<'_>) -> bool {
        let mut uids = self.jobs.iter().map(|job| job.metadata.uid.as_deref());
        pod.controller().is_some() && uids.any(|uid| uid == pod.controller())
    }

    /// Of an attempt that is kept because it has ended, pods that may run are waited for.
    fn is_kept(&self, pod: PodView<'_>, keep: Keep) -> bool {
        matches!(keep, Keep::Attempt(number) if pod.attempt() == Some(number)) && self.has_job(pod)
    }
}

fn number_of(job: &Job) -> Option<u32> {
    let labels = job.metadata.labels.as_ref()?;
    labels.get(labels::ATTEMPT)?.parse().ok()
}

fn earliest(one: Option<Timestamp>, other: Timestamp) -> Option<Timestamp> {
    Some(one.map_or(other, |one| one.min(other)))
}
