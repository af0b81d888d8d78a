//! Objects that cannot be read: another version of the CRD has let them in. They are told so, once.

use super::reconcile::ReconcileError;
use super::subject::Subject;
use super::{Context, STATUS_MANAGER};
use crate::api::Verb;
use crate::cache::Key;
use crate::conditions::reconcile_failed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::json;

/// Reason of the condition.
const REASON: &str = "InvalidObject";

/// Shows what is wrong in a condition, unless it shows already.
pub(super) async fn show<S: Subject>(
    context: &Context,
    key: &Key,
    error: &str,
) -> Result<(), ReconcileError> {
    context.leadership.claim()?;
    let resource = ApiResource::erase::<S>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &key.namespace, &resource);
    let read = context
        .calls
        .call(Verb::Get, S::RESOURCE, || api.get_opt(&key.name));
    let Some(object) = read.await? else {
        return Ok(());
    };
    let shown = object.data.pointer("/status/conditions").cloned();
    // Conditions that are none are replaced: nobody could read them.
    let shown: Vec<Condition> = shown
        .and_then(|shown| serde_json::from_value(shown).ok())
        .unwrap_or_default();
    let mut conditions = shown.clone();
    let generation = object.metadata.generation;
    let message = format!("this version of the operator cannot read the object: {error}");
    let now = crate::time::whole(Timestamp::now());
    reconcile_failed(&mut conditions, generation, now, REASON, &message);
    if conditions == shown {
        return Ok(());
    }
    let patch = Patch::Merge(json!({
        "metadata": {"resourceVersion": object.metadata.resource_version},
        "status": {"conditions": conditions, "observedGeneration": generation},
    }));
    let parameters = PatchParams {
        field_manager: Some(STATUS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let calls = &context.calls;
    let patched = calls.call(Verb::Patch, S::RESOURCE, || {
        api.patch_status(&key.name, &parameters, &patch)
    });
    match patched.await {
        Ok(_) => Ok(()),
        Err(error) if error.is_conflict() || error.is_not_found() => Err(ReconcileError::Stale),
        Err(error) => Err(error.into()),
    }
}
