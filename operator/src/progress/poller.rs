//! Asks all running trainings, a bounded number at a time.

use super::client::{AskError, ask};
use super::reports::Answer;
use crate::cache::{Key, Kind};
use crate::controller::Context;
use crate::http::GetError;
use crate::labels::{COMPONENT, Component};
use crate::objects::STATUS_PORT;
use crate::pods::PodView;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use std::collections::HashSet;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Questions at once: a thousand pods that do not answer hold up nobody for longer than the usual interval.
const AT_ONCE: usize = 256;

/// When trainings are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollTiming {
    /// From one question to a training to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub limit: Duration,
}

/// A pod that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    training: Key,
    pod: String,
    attempt: u32,
    address: SocketAddr,
}

/// Asks again and again. Never ends.
pub async fn poll(context: &Context, timing: PollTiming) {
    let mut ticks = interval(timing.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let targets = context.cluster.pods.find(Kind::Training, target);
        let running: HashSet<Key> = targets
            .iter()
            .map(|target| target.training.clone())
            .collect();
        context.reports.keep(&running);
        round(targets, |target| question(context, target, timing.limit)).await;
    }
}

/// Puts a question to everybody, to a bounded number at a time.
async fn round<T, F: Future<Output = ()>>(targets: Vec<T>, question: impl Fn(T) -> F) {
    futures::stream::iter(targets)
        .for_each_concurrent(AT_ONCE, question)
        .await;
}

async fn question(context: &Context, target: Target, limit: Duration) {
    let Target {
        training,
        pod,
        attempt,
        address,
    } = target;
    let answer = ask(address, limit).await;
    context
        .metrics
        .progress_poll(if answer.is_ok() { "ok" } else { "error" });
    let Key { namespace, name } = &training;
    let mut unreadable = None;
    let answer = match answer {
        Ok(report) => Answer::Report(Box::new(report)),
        Err(AskError::Get(error)) if !matches!(error, GetError::Body(_)) => {
            tracing::debug!(namespace, name, attempt, %error, "rank 0 does not answer");
            Answer::Silence
        }
        Err(error) => {
            unreadable = Some(error);
            Answer::Unreadable
        }
    };
    let reports = &context.reports;
    if !reports.note(&training, &pod, attempt, answer, Timestamp::now()) {
        return;
    }
    if let Some(error) = unreadable {
        tracing::warn!(namespace, name, attempt, %error, "rank 0 is not understood");
    }
    context.cluster.trigger(Kind::Training, training);
}

/// Rank 0 of a training, if it runs.
fn target(training: &Key, pod: &Pod) -> Option<Target> {
    let view = PodView(pod);
    let trains = view.label(COMPONENT) == Some(Component::Training.name());
    if !trains || view.index() != Some(0) || !view.runs() || view.leaves_by().is_some() {
        return None;
    }
    let address: IpAddr = view.status()?.pod_ip.as_ref()?.parse().ok()?;
    Some(Target {
        training: training.clone(),
        pod: view.uid().to_owned(),
        attempt: view.attempt()?,
        address: SocketAddr::new(address, u16::try_from(STATUS_PORT).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{Instant, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_thousand_silent_pods_hold_up_nobody_for_longer_than_an_interval() {
        let begin = Instant::now();
        round((0..1_000).collect(), |_| sleep(Duration::from_secs(2))).await;
        assert!(begin.elapsed() <= Duration::from_secs(10));
    }
}
