//! What the pods of an attempt have left behind in their termination messages.

use super::draft::Draft;
use crate::labels::Component;
use crate::pods::{Gang, TerminationMessage};
use crate::time::whole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use splade_crds::training::ProgressStatus;

impl Draft<'_> {
    /// Writes down what pods of this attempt, the last one, have left behind.
    pub(super) fn note_termination(&mut self, number: u32) {
        let observed = self.observed;
        let size = self.spec().gang.nodes;
        let (jobs, pods) = (&observed.jobs, &observed.pods);
        let gang = Gang::find(Component::Training, self.name(), number, size, jobs, pods);
        for pod in &gang.pods {
            let Some((ended, message)) = pod.terminated().zip(pod.message()) else {
                continue;
            };
            let time = ended.finished_at.as_ref().map_or(self.now, |time| time.0);
            self.note_resume(message.resumed_from.as_deref());
            self.note_last_checkpoint(&message, time);
            self.note_last_step(number, &message, whole(time));
        }
    }

    fn note_last_checkpoint(&mut self, message: &TerminationMessage, time: Timestamp) {
        let known = self.status.checkpoint.as_ref();
        if let Some(uri) = &message.checkpoint
            && let Some(step) = step_of(uri)
            && known.is_none_or(|known| known.uri != *uri)
        {
            self.note_checkpoint(uri, step, time);
        }
    }

    /// Brings the progress to the step at which a pod ended: the last report of rank 0 is some steps older, and a short
    /// attempt ends before it is asked at all. An attempt that did not come as far as an earlier one changes nothing.
    fn note_last_step(&mut self, number: u32, message: &TerminationMessage, time: Timestamp) {
        let known = self.status.progress.as_ref();
        let before = known.filter(|known| known.attempt == number).cloned();
        let total = before.as_ref().map(|before| before.total_steps);
        let Some((step, total_steps)) = message.step.zip(message.total_steps.or(total)) else {
            return;
        };
        if step <= known.map_or(0, |known| known.step) {
            return;
        }
        let reported = before.as_ref().map(|before| before.last_reported.0);
        let last_reported = Time(reported.map_or(time, |reported| reported.max(time)));
        let step_time = Time(time);
        self.status.progress = Some(match before {
            Some(before) => ProgressStatus {
                step,
                total_steps,
                step_time,
                last_reported,
                ..before
            },
            None => ProgressStatus {
                attempt: number,
                epoch: None,
                step,
                total_steps,
                loss: None,
                active_dimensions: None,
                triplets_per_second: None,
                mfu: None,
                estimated_completion_time: None,
                step_time,
                last_reported,
            },
        });
    }

    /// What was expected of an attempt that does not run any more says nothing about when the next one ends.
    pub(super) fn forget_estimate(&mut self) {
        if let Some(progress) = &mut self.status.progress {
            progress.estimated_completion_time = None;
        }
    }
}

/// The step in the name of a checkpoint's folder, `.../step-00012000`.
fn step_of(uri: &str) -> Option<u64> {
    let folder = uri.trim_end_matches('/').rsplit('/').next()?;
    folder.strip_prefix("step-")?.parse().ok()
}
