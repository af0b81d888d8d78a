//! What a leader does: reconciles, and asks running trainings where they stand.

use super::Context;
use super::reconcile::reconcile;
use super::subject::Subject;
use crate::cache::{Belongs, Key};
use crate::progress::{PollTiming, poll};
use futures::{Stream, StreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Action, Config, Error, applier};
use kube::runtime::reflector::ObjectRef;
use splade_crds::{SpladeBenchmark, SpladeTraining};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;

/// The controller's word for no limit of its own.
const UNLIMITED: u16 = 0;

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
    let turns = || Arc::new(Semaphore::new(concurrency.into()));
    let (for_trainings, for_benchmarks) = (turns(), turns());
    let trainings = control::<SpladeTraining>(context, listener.trainings, &for_trainings);
    let benchmarks = control::<SpladeBenchmark>(context, listener.benchmarks, &for_benchmarks);
    let stopping = async {
        stop.await;
        context.cluster.triggers.close();
        // Who waits still begins no more.
        for_trainings.close();
        for_benchmarks.close();
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
    turns: &Arc<Semaphore>,
) {
    // The applier's own limit hands out what waits in the order of a hash table: under load some would wait for ever so
    // long. Without it, it looks at everything that waits whenever something moves: a second of CPU for a thousand that
    // come at once.
    let outcomes = applier(
        |object, context| Box::pin(in_turn::<S>(Key::of(&*object), context, Arc::clone(turns))),
        |_, error: &Infallible, _| match *error {},
        Arc::clone(context),
        S::cached(&context.cluster).clone(),
        wanted_stream(wanted),
        Config::default().concurrency(UNLIMITED),
    );
    outcomes
        .for_each(async |outcome| match outcome {
            Ok(_) => {}
            Err(Error::ObjectNotFound(gone)) => {
                let namespace = gone.namespace.clone().unwrap_or_default();
                let name = gone.name.clone();
                forget::<S>(context, Key { namespace, name });
            }
            Err(error) => tracing::error!(%error, kind = S::NAME, "the controller failed"),
        })
        .await;
}

/// Reconciles an object when it is its turn: who came with an earlier piece of news goes first.
async fn in_turn<S: Subject>(
    key: Key,
    context: Arc<Context>,
    turns: Arc<Semaphore>,
) -> Result<Action, Infallible> {
    let turn = turns.acquire_owned().await;
    // The object as it is now: it may have changed, or gone, while it waited.
    let found = S::cached(&context.cluster).get(&key.reference());
    // There are no more turns once the process is to stop.
    let Ok(turn) = turn else {
        return Ok(Action::await_change());
    };
    let Some(object) = found else {
        forget::<S>(&context, key);
        return Ok(Action::await_change());
    };
    // In a box of its own: a thousand that wait hold little.
    Box::pin(reconcile(object, context, turn)).await
}

fn forget<S: Subject>(context: &Context, key: Key) {
    context.backoffs.forget(&Belongs { kind: S::KIND, key });
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
