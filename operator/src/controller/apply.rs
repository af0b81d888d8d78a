//! Carries out effects. Each may be carried out again: what is done already is no error.

use super::subject::Subject;
use super::{Context, MANAGER};
use crate::api::{CallError, Verb};
use crate::cache::{Key, controller};
use crate::effect::{AttemptObjects, Effect, Notice, Severity};
use crate::leader::NotLeading;
use crate::objects::Object;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, ObjectReference, Pod, Service};
use kube::api::{DeleteParams, PostParams, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// An effect that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// Another may lead now.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The API server did not do what it was asked to.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A name is taken.
    #[error("{resource} {name} exists and belongs to somebody else: delete or rename it")]
    Foreign {
        /// Kind of object.
        resource: &'static str,
        /// Its name.
        name: String,
    },
    /// A namesake has not gone yet.
    #[error("{resource} {name} exists and is being deleted: waiting until it is gone")]
    Leaving {
        /// Kind of object.
        resource: &'static str,
        /// Its name.
        name: String,
    },
}

/// Carries out the effects of one object's plan.
pub(super) struct Apply<'a> {
    context: &'a Context,
    owner: ObjectReference,
    resource: &'static str,
    /// Where the owner itself is.
    owners: Api<DynamicObject>,
    created_jobs: Vec<Key>,
}

impl<'a> Apply<'a> {
    pub(super) fn new<S: Subject>(context: &'a Context, object: &S) -> Self {
        let owner = object.object_ref(&());
        let namespace = owner.namespace.as_deref().unwrap_or_default();
        let resource = ApiResource::erase::<S>(&());
        Self {
            context,
            resource: S::RESOURCE,
            owners: Api::namespaced_with(context.client.clone(), namespace, &resource),
            owner,
            created_jobs: Vec::new(),
        }
    }

    /// The Jobs that were made.
    pub(super) fn created_jobs(self) -> Vec<Key> {
        self.created_jobs
    }

    pub(super) async fn effect(&mut self, effect: &Effect) -> Result<(), EffectError> {
        match effect {
            Effect::Create(objects) => {
                for object in objects {
                    self.create_object(object).await?;
                }
                Ok(())
            }
            Effect::DeleteAttempt(objects) => self.delete_attempt(objects).await,
            Effect::DeletePod { name, uid, at_once } => {
                let mut parameters = exactly(uid);
                parameters.grace_period_seconds = at_once.then_some(0);
                self.delete(&self.api::<Pod>(), "pods", name, &parameters)
                    .await
            }
            Effect::DeleteOwner { uid } => {
                let name = self.owner.name.as_deref().unwrap_or_default();
                self.delete(&self.owners, self.resource, name, &in_foreground(uid))
                    .await
            }
            Effect::Publish(notice) => self.publish(notice).await,
        }
    }

    async fn create_object(&mut self, object: &Object) -> Result<(), EffectError> {
        match object {
            Object::Service(service) => self.create(&self.api(), "services", &**service).await,
            Object::ConfigMap(map) => self.create(&self.api(), "configmaps", &**map).await,
            Object::PodGroup(api, group) => {
                let resource = api.resource();
                let groups =
                    Api::namespaced_with(self.context.client.clone(), self.namespace(), &resource);
                self.create(&groups, "podgroups", &**group).await
            }
            Object::Job(job) => {
                self.create(&self.api(), "jobs", &**job).await?;
                self.created_jobs.push(Key::of(&**job));
                Ok(())
            }
            Object::Benchmark(benchmark) => {
                self.create(&self.api(), "spladebenchmarks", &**benchmark)
                    .await
            }
        }
    }

    /// Creates an object; one that is there already and ours is left as it is.
    async fn create<K>(
        &self,
        api: &Api<K>,
        resource: &'static str,
        object: &K,
    ) -> Result<(), EffectError>
    where
        K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    {
        self.context.leadership.claim()?;
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let calls = &self.context.calls;
        let created = calls
            .call(Verb::Create, resource, || api.create(&parameters, object))
            .await;
        match created {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        let name = object.meta().name.clone().unwrap_or_default();
        let Some(there) = calls
            .call(Verb::Get, resource, || api.get_opt(&name))
            .await?
        else {
            return Err(EffectError::Leaving { resource, name });
        };
        if !self.is_ours(&there) {
            return Err(EffectError::Foreign { resource, name });
        }
        if there.meta().deletion_timestamp.is_some() {
            return Err(EffectError::Leaving { resource, name });
        }
        Ok(())
    }

    /// What the pods need goes first, the Job last: as long as it is there, the rest is known to be left over.
    async fn delete_attempt(&self, objects: &AttemptObjects) -> Result<(), EffectError> {
        if let Some(name) = &objects.service {
            self.delete_ours(&self.api::<Service>(), "services", name)
                .await?;
        }
        let maps = self.api::<ConfigMap>();
        self.delete_ours(&maps, "configmaps", &objects.config_map)
            .await?;
        if let Some((api, name)) = &objects.pod_group {
            let resource = api.resource();
            let client = self.context.client.clone();
            let groups = Api::<DynamicObject>::namespaced_with(client, self.namespace(), &resource);
            self.delete_ours(&groups, "podgroups", name).await?;
        }
        if let Some((name, uid)) = &objects.job {
            let parameters = in_foreground(uid);
            self.delete(&self.api::<Job>(), "jobs", name, &parameters)
                .await?;
        }
        Ok(())
    }

    /// Deletes an object by name, provided that it is ours: a namesake of somebody else stays.
    async fn delete_ours<K>(
        &self,
        api: &Api<K>,
        resource: &'static str,
        name: &str,
    ) -> Result<(), EffectError>
    where
        K: Resource + Clone + Debug + DeserializeOwned,
    {
        let there = self
            .context
            .calls
            .call(Verb::Get, resource, || api.get_opt(name))
            .await?;
        let ours = there.filter(|object| self.is_ours(object));
        let uid = ours
            .as_ref()
            .and_then(|object| object.meta().uid.as_deref());
        match uid {
            Some(uid) => self.delete(api, resource, name, &exactly(uid)).await,
            None => Ok(()),
        }
    }

    async fn delete<K>(
        &self,
        api: &Api<K>,
        resource: &'static str,
        name: &str,
        parameters: &DeleteParams,
    ) -> Result<(), EffectError>
    where
        K: Resource + Clone + Debug + DeserializeOwned,
    {
        self.context.leadership.claim()?;
        let calls = &self.context.calls;
        let deleted = calls
            .call(Verb::Delete, resource, || api.delete(name, parameters))
            .await;
        match deleted {
            Ok(_) => Ok(()),
            // A conflict says that the object of this uid is gone and a namesake is there.
            Err(error) if error.is_not_found() || error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes an Event. One that is lost changes nothing, so it fails no reconcile.
    async fn publish(&self, notice: &Notice) -> Result<(), EffectError> {
        self.context.leadership.claim()?;
        let event = Event {
            type_: match notice.severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: notice.reason.to_owned(),
            note: Some(notice.note.clone()),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        // One for each event: it would count those of a reason as one, with the text of the first, and keep them all.
        let recorder = Recorder::new(self.context.client.clone(), self.context.reporter.clone());
        let published = recorder.publish(&event, &self.owner);
        if let Err(error) = self
            .context
            .calls
            .once(Verb::Create, "events", published)
            .await
        {
            tracing::warn!(%error, reason = notice.reason, "an Event could not be published");
        }
        Ok(())
    }

    fn is_ours<K: Resource>(&self, object: &K) -> bool {
        controller(object).is_some_and(|owner| Some(&owner.uid) == self.owner.uid.as_ref())
    }

    fn namespace(&self) -> &str {
        self.owner.namespace.as_deref().unwrap_or_default()
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.context.client.clone(), self.namespace())
    }
}

/// Only the object of this uid.
fn exactly(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::default()
    }
}

/// The same, with all that it owns, which goes first.
fn in_foreground(uid: &str) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..exactly(uid)
    }
}
