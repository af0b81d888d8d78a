//! The manifest that the pods of an attempt read.

use super::Attempt;
use k8s_openapi::api::core::v1::ConfigMap;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Folder of the manifest in a pod.
pub const MANIFEST_FOLDER: &str = "/etc/splade";

/// The ConfigMap with the manifest of an attempt, which nobody can change: a changed resource takes effect with the
/// next attempt. JSON is YAML, and leaves no doubt about what is a string.
///
/// # Errors
/// None in practice: a spec that came from JSON is JSON.
pub fn build(
    attempt: &Attempt,
    file: &str,
    spec: &impl Serialize,
) -> Result<ConfigMap, serde_json::Error> {
    let manifest = json!({
        "apiVersion": splade_crds::API_VERSION,
        "kind": attempt.owner.kind,
        "metadata": {"name": attempt.owner.name, "namespace": attempt.owner.namespace},
        "spec": spec,
    });
    Ok(ConfigMap {
        metadata: attempt.metadata(),
        data: Some(BTreeMap::from([(
            file.to_owned(),
            serde_json::to_string_pretty(&manifest)?,
        )])),
        immutable: Some(true),
        ..ConfigMap::default()
    })
}
