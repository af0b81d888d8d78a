//! What a leader does: reconciles, and asks running trainings where they stand.

use super::Context;
use super::reconcile::reconcile;
use super::subject::Subject;
use crate::cache::{Belongs, Key};
use crate::progress::{PollTiming, poll};
use futures::{Stream, StreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Config, Error, applier};
use kube::runtime::reflector::ObjectRef;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Reconciles everything, then whatever changes, until `stop` returns; then finishes what runs. Dropped, it breaks
/// off at once.
pub async fn lead(
    context: &Arc<Context>,
    concurrency: u16,
    timing: PollTiming,
    stop: impl Future<Output = ()>,
) {
    let listener = context.cluster.triggers.listen();
    context.cluster.trigger_all();
    let trainings = control::<SpladeTraining>(context, listener.trainings, concurrency);
    let benchmarks = control::<SpladeBenchmark>(context, listener.benchmarks, concurrency);
    let stopping = async {
        stop.await;
        context.cluster.triggers.close();
    };
    let reconciling = async { tokio::join!(trainings, benchmarks, stopping) };
    tokio::select! {
        _ = reconciling => {}
        () = poll(context, timing) => {}
    }
}

async fn control<S: Subject>(
    context: &Arc<Context>,
    wanted: UnboundedReceiver<ObjectRef<DeserializeGuard<S>>>,
    concurrency: u16,
) {
    let outcomes = applier(
        |object, context| Box::pin(reconcile::<S>(object, context)),
        |_, error: &Infallible, _| match *error {},
        Arc::clone(context),
        S::cached(&context.cluster).clone(),
        wanted_stream(wanted),
        Config::default().concurrency(concurrency),
    );
    outcomes
        .for_each(async |outcome| match outcome {
            Ok(_) => {}
            Err(Error::ObjectNotFound(gone)) => {
                let key = Key {
                    namespace: gone.namespace.clone().unwrap_or_default(),
                    name: gone.name.clone(),
                };
                context.backoffs.forget(&Belongs { kind: S::KIND, key });
            }
            Err(error) => tracing::error!(%error, kind = S::NAME, "the controller failed"),
        })
        .await;
}

fn wanted_stream<T>(receiver: UnboundedReceiver<T>) -> impl Stream<Item = Result<T, Infallible>> {
    futures::stream::unfold(receiver, async |mut receiver| {
        let wanted = receiver.recv().await?;
        Some((Ok(wanted), receiver))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_stream_ends_when_nobody_sends_any_more() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        sender.send(7).unwrap();
        drop(sender);
        let all: Vec<_> = wanted_stream(receiver).collect().await;
        assert_eq!(all, [Ok(7)]);
    }
}
