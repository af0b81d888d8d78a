//! One reconcile: plan, status, effects, in this order.

use super::apply::{Apply, EffectError};
use super::subject::Subject;
use super::{Context, STATUS_MANAGER, invalid, traces};
use crate::api::{CallError, Verb};
use crate::cache::{Belongs, Key};
use crate::conditions::{self, reconcile_failed};
use crate::leader::NotLeading;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Resource};
use splade_crds::ConditionType;
use splade_telemetry::spans;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::Instrument;

/// Reason of the condition that shows an error.
const REASON: &str = "ReconcileError";

/// The longest that the cache may lag behind before the object may be reconciled again without it.
const CACHE_LAG: Duration = Duration::from_secs(2);

/// A reconcile that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Another may lead now.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The object has changed since it was read; the plan went by something old.
    #[error("the object has changed meanwhile; it is looked at again")]
    Stale,
    /// The API server did not do what it was asked to.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An effect could not be carried out.
    #[error(transparent)]
    Effect(#[from] EffectError),
}

impl ReconcileError {
    /// A bounded set of words for metrics.
    fn category(&self) -> &'static str {
        match self {
            Self::NotLeading(_) | Self::Effect(EffectError::NotLeading(_)) => "not_leading",
            Self::Stale => "stale",
            Self::Call(error) | Self::Effect(EffectError::Call(error)) => error.category(),
            Self::Effect(EffectError::Foreign { .. }) => "foreign_object",
            Self::Effect(EffectError::Leaving { .. }) => "object_leaving",
        }
    }

    /// Whether users should see it. What passes by itself, and what only says that another acts, they should not.
    fn shows(&self) -> bool {
        !matches!(
            self,
            Self::NotLeading(_) | Self::Stale | Self::Effect(EffectError::NotLeading(_))
        )
    }
}

/// Reconciles an object, whose turn it is. Whatever happens is dealt with here: logged, counted, shown in a condition,
/// tried again.
pub(super) async fn reconcile<S: Subject>(
    object: Arc<DeserializeGuard<S>>,
    context: Arc<Context>,
    turn: OwnedSemaphorePermit,
) -> Result<Action, Infallible> {
    let owner = Belongs {
        kind: S::KIND,
        key: Key::of(&*object),
    };
    let generation = object.meta().generation;
    if let Some(wait) = context.backoffs.wait(&owner, generation) {
        return Ok(Action::requeue(wait));
    }
    let attempt = object.0.as_ref().ok().and_then(Subject::traceparent);
    let Key { namespace, name } = &owner.key;
    let span = spans::reconcile(S::NAME, namespace, name, attempt);
    let running = context.metrics.reconcile(S::NAME);
    let outcome = async {
        let outcome = match &object.0 {
            Ok(subject) => Run::new(&context, subject).run(turn).await,
            Err(error) => invalid::show::<S>(&context, &owner.key, &error.error)
                .await
                .map(|()| None),
        };
        report::<S>(&outcome, &owner.key);
        outcome
    }
    .instrument(span.clone())
    .await;
    running.ended(outcome.is_ok());
    Ok(match outcome {
        Ok(next) => {
            context.backoffs.forget(&owner);
            next.map_or_else(Action::await_change, Action::requeue)
        }
        Err(error) => {
            spans::failed(&span, error.category(), &error);
            context.metrics.reconcile_error(S::NAME, error.category());
            Action::requeue(context.backoffs.failed(&owner, generation, fastrand::f64()))
        }
    })
}

fn report<S: Subject>(outcome: &Result<Option<Duration>, ReconcileError>, key: &Key) {
    let Key { namespace, name } = key;
    match outcome {
        Ok(_) => tracing::debug!(kind = S::NAME, namespace, name, "reconciled"),
        Err(error) if error.shows() => {
            tracing::warn!(kind = S::NAME, namespace, name, %error, "the reconcile failed");
        }
        Err(error) => {
            tracing::debug!(kind = S::NAME, namespace, name, %error, "the reconcile broke off")
        }
    }
}

/// A reconcile that runs.
struct Run<'a, S> {
    context: &'a Context,
    api: Api<S>,
    /// The object as it was last read or written.
    object: S,
    /// Version of the object that the plan goes by.
    observed: Option<String>,
    /// Jobs that were made.
    created: Vec<Key>,
}

impl<'a, S: Subject> Run<'a, S> {
    fn new(context: &'a Context, object: &S) -> Self {
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        Self {
            context,
            api: Api::namespaced(context.client.clone(), &namespace),
            object: object.clone(),
            observed: object.meta().resource_version.clone(),
            created: Vec::new(),
        }
    }

    async fn run(mut self, turn: OwnedSemaphorePermit) -> Result<Option<Duration>, ReconcileError> {
        let outcome = self.bring_together().await;
        match &outcome {
            Ok(_) => {
                // Others need not wait for the news of what was done here.
                drop(turn);
                self.wait_for_cache().await;
            }
            Err(error) if error.shows() => self.show(error).await,
            Err(_) => {}
        }
        outcome
    }

    async fn bring_together(&mut self) -> Result<Option<Duration>, ReconcileError> {
        let decision = Arc::new(self.object.clone()).decide(self.context).await?;
        let mut first = decision.status.clone();
        if !decision.effects.is_empty() {
            // An error that shows goes when the effects have worked, not before: else it would come and go with
            // every try, and each change would wake everybody who watches.
            self.keep_error(&mut first);
        }
        // With effects to follow even an unchanged status is written: the API server compares the version, so that
        // nobody acts upon something old. It stores nothing then.
        if !decision.effects.is_empty() || self.object.status() != Some(&first) {
            self.write(first).await?;
        }
        let mut apply = Apply::new::<S>(self.context, &self.object);
        for effect in &decision.effects {
            apply.effect(effect).await?;
        }
        self.created = apply.created_jobs();
        if self.object.status() != Some(&decision.status) {
            self.write(decision.status).await?;
        }
        Ok(decision.requeue_after)
    }

    /// Waits until the cache has something newer than the plan went by, and the Jobs that were made: a plan that went by something older would be
    /// refused, or would make a Job again. It is a matter of milliseconds; a watch that is broken just now is not waited
    /// for.
    async fn wait_for_cache(&self) {
        let cluster = &self.context.cluster;
        let news = async {
            for job in &self.created {
                cluster.jobs.wait_for(job).await;
            }
            let key = self.object.belongs().key.reference::<DeserializeGuard<S>>();
            let was_written = self.object.meta().resource_version != self.observed;
            let is_old = || {
                let cached = S::cached(cluster).get(&key);
                cached.is_some_and(|cached| cached.meta().resource_version == self.observed)
            };
            cluster.wait_until(|| !was_written || !is_old()).await;
        };
        // Too late is as good as never: what is done again does no harm.
        let _ = timeout(CACHE_LAG, news).await;
    }

    fn keep_error(&self, status: &mut S::Status) {
        let before = self.object.status().map(S::conditions);
        let Some(error) = before.and_then(|conditions| error_in(conditions)) else {
            return;
        };
        let conditions = S::conditions_mut(status).iter_mut();
        for condition in conditions.filter(|condition| condition.type_ == error.type_) {
            *condition = error.clone();
        }
    }

    /// Writes a status, provided that the object is still as it was read.
    async fn write(&mut self, status: S::Status) -> Result<(), ReconcileError> {
        self.context.leadership.claim()?;
        let before = self.object.status().cloned();
        let mut object = self.object.clone();
        object.set_status(status);
        let name = object.meta().name.clone().unwrap_or_default();
        let parameters = PostParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let calls = &self.context.calls;
        let written = calls
            .call(Verb::Update, S::RESOURCE, || {
                self.api.replace_status(&name, &parameters, &object)
            })
            .await;
        match written {
            Ok(written) => {
                self.object = written;
                if let Some(after) = self.object.status() {
                    S::count(before.as_ref(), after, &self.context.metrics);
                }
                traces::follow(self.context, before.as_ref(), &self.object);
                Ok(())
            }
            Err(error) if error.is_conflict() || error.is_not_found() => Err(ReconcileError::Stale),
            Err(error) => Err(error.into()),
        }
    }

    /// Shows an error in a condition.
    async fn show(&mut self, error: &ReconcileError) {
        let Some(before) = self.object.status() else {
            // The plan writes all conditions before anything else; when even that failed, this would too.
            return;
        };
        let mut status = before.clone();
        let generation = self.object.meta().generation;
        let conditions = S::conditions_mut(&mut status);
        let now = crate::time::whole(Timestamp::now());
        reconcile_failed(conditions, generation, now, REASON, &error.to_string());
        if self.object.status() == Some(&status) {
            return;
        }
        if let Err(error) = self.write(status).await {
            tracing::warn!(kind = S::NAME, %error, "the error cannot be shown in the status");
        }
    }
}

fn error_in(conditions: &[Condition]) -> Option<&Condition> {
    conditions::find(conditions, ConditionType::Progressing)
        .filter(|condition| condition.reason == REASON)
}
