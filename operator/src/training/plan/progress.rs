//! Where the training stands by rank 0's own word, and whether it stands still.

use super::draft::Draft;
use crate::conditions::Truth;
use crate::labels::Component;
use crate::pods::{Failure, Gang};
use crate::time::{later, seconds_between, whole};
use crate::training::Polled;
use crate::training::progress::{Phase, ProgressReport};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::ConditionType;
use splade_crds::training::{ActiveDimensions, CheckpointStatus, ProgressStatus, SchedulerType};

/// Seconds between two changes of the progress in the status.
const REPORT_SECONDS: u64 = 10;
/// Seconds after which the time of the last step is brought up while none is due.
const IDLE_SECONDS: u64 = 60;
/// Seconds that a stall may last longer before the operator acts: the launcher in the pod knows more, and first.
const STALL_MARGIN_SECONDS: u64 = 120;

impl Draft<'_> {
    /// Writes down what rank 0 answers and what pods of the last attempt have left behind. News of pods may come later
    /// than news of their Job, so that an attempt that has ended is listened to as well.
    pub(super) fn note_what_pods_say(&mut self) {
        let Some(last) = self.last_attempt() else {
            return;
        };
        let (number, is_open) = (last.number, last.cause.is_none());
        if let Polled::Answered { attempt, report } = &self.observed.progress
            && is_open
            && *attempt == number
        {
            self.note_report(number, report);
        }
        self.note_termination(number);
        self.show_checkpoint();
    }

    fn note_report(&mut self, number: u32, report: &ProgressReport) {
        if let Some(checkpoint) = &report.checkpoint {
            self.note_checkpoint(&checkpoint.uri, checkpoint.step, checkpoint.time);
        }
        self.note_resume(report.resumed_from.as_deref());
        let old = self.status.progress.take();
        let of_attempt = old.as_ref().filter(|old| old.attempt == number);
        let new = progress(number, report, of_attempt, self.now);
        self.status.progress = match (new, of_attempt) {
            (None, _) => old,
            (Some(new), Some(before)) if !is_news(before, &new) => Some(before.clone()),
            (Some(new), _) => Some(new),
        };
    }

    pub(super) fn note_checkpoint(&mut self, uri: &str, step: u64, time: Timestamp) {
        let time = Time(whole(time));
        let known = self.status.checkpoint.as_ref();
        if known.is_none_or(|known| known.uri != uri && known.time <= time) {
            self.status.checkpoint = Some(CheckpointStatus {
                uri: uri.into(),
                step,
                time,
            });
        }
    }

    pub(super) fn note_resume(&mut self, from: Option<&str>) {
        if let Some((from, record)) = from.zip(self.status.attempts.last_mut()) {
            record.resumed_from = Some(from.into());
        }
    }

    fn show_checkpoint(&mut self) {
        let kind = ConditionType::CheckpointAvailable;
        match &self.status.checkpoint {
            Some(checkpoint) => {
                let text = format!("the newest is {}", checkpoint.uri);
                self.set(kind, Truth::True, "Saved", text);
            }
            None => self.set(kind, Truth::False, "NoneYet", "no checkpoint is known"),
        }
    }

    /// The failure of an attempt whose pods run and do not move.
    pub(super) fn stall(&mut self) -> Option<Failure> {
        let record = self.open_attempt()?;
        let number = record.number;
        let running = record.running_time.as_ref()?.0;
        let known = self
            .status
            .progress
            .as_ref()
            .filter(|known| known.attempt == number)?;
        let (since, what) = match &self.observed.progress {
            Polled::Answered { attempt, report } if *attempt == number => {
                let due = report.phase == Phase::Training && report.step == known.step;
                let since = due.then_some(known.step_time.0)?;
                (
                    since,
                    format!("no optimizer step since step {}", report.step),
                )
            }
            Polled::Unreachable { attempt, since } if *attempt == number => {
                (*since, "rank 0 does not answer any more".into())
            }
            _ => return None,
        };
        let limit = self.spec().run_policy.stall_timeout_seconds;
        let until = later(since.max(running), u64::from(limit) + STALL_MARGIN_SECONDS);
        if self.now < until {
            self.look_again(until);
            return None;
        }
        Some(Failure::infrastructure(
            "Stalled",
            format!("{what} for more than {limit} s"),
        ))
    }

    /// The failure of an attempt whose pods have lost their PodGroup: an API server without the feature drops the
    /// field without a word.
    pub(super) fn dropped_pod_group(&self) -> Option<Failure> {
        if self.spec().gang.scheduler.kind != SchedulerType::PodGroup {
            return None;
        }
        let observed = self.observed;
        let number = self.open_attempt()?.number;
        let size = self.spec().gang.nodes;
        let (jobs, pods) = (&observed.jobs, &observed.pods);
        let gang = Gang::find(Component::Training, self.name(), number, size, jobs, pods);
        let mut specs = gang.pods.iter().filter_map(|pod| pod.0.spec.as_ref());
        specs.any(|spec| spec.scheduling_group.is_none()).then(|| {
            let text = "the API server has dropped spec.schedulingGroup from the pods: switch on the feature \
                        gate GenericWorkload, or choose another gang.scheduler.type";
            Failure::configuration("PodGroupUnsupported", text)
        })
    }
}

/// The progress to show; none while nothing has been trained in this attempt.
fn progress(
    attempt: u32,
    report: &ProgressReport,
    old: Option<&ProgressStatus>,
    now: Timestamp,
) -> Option<ProgressStatus> {
    if old.is_none() && report.phase != Phase::Training {
        return None;
    }
    let step_time = old
        .filter(|old| old.step == report.step)
        .map(|old| old.step_time.0);
    let idle = report.phase != Phase::Training;
    let step_time = step_time
        .filter(|time| !(idle && seconds_between(*time, now) > IDLE_SECONDS))
        .unwrap_or(now);
    let number = |value: Option<f64>, digits: usize| {
        value
            .filter(|value| value.is_finite())
            .map(|value| format!("{value:.digits$}"))
    };
    let dimensions = report.active_dimensions.map(|mean| ActiveDimensions {
        query: format!("{:.1}", mean.query),
        document: format!("{:.1}", mean.document),
    });
    Some(ProgressStatus {
        attempt,
        epoch: Some(report.epoch),
        step: report.step,
        total_steps: report.total_steps,
        loss: number(report.loss, 4),
        active_dimensions: dimensions,
        triplets_per_second: number(report.triplets_per_second, 1),
        mfu: number(report.mfu, 3),
        estimated_completion_time: report
            .estimated_completion_time
            .map(|time| Time(whole(time))),
        step_time: Time(step_time),
        last_reported: Time(report.last_reported.map_or(now, whole)),
    })
}

/// Whether a change is worth a write.
fn is_news(old: &ProgressStatus, new: &ProgressStatus) -> bool {
    let reported = seconds_between(old.last_reported.0, new.last_reported.0);
    let idled = seconds_between(old.step_time.0, new.step_time.0) > IDLE_SECONDS;
    reported >= REPORT_SECONDS || idled
}
