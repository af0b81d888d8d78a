//! Rules of pods that only the operator knows.

use crate::objects::{MANIFEST_FOLDER, RESERVED_PREFIX, is_at};
use splade_crds::validation::FieldError;
use splade_crds::{FieldPath, PodSettings};

/// Joins faults into one line for a condition.
pub fn in_one_line(faults: &[FieldError]) -> String {
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// Faults of pod settings at `at` that a pod built from them would have.
pub fn pod_faults(settings: &PodSettings, at: &FieldPath) -> Vec<FieldError> {
    let mut faults = Vec::new();
    for (index, volume) in settings.volumes.iter().enumerate() {
        let path = at.key("volumes").index(index);
        if volume.name.starts_with(RESERVED_PREFIX) {
            faults.push(FieldError {
                path: path.key("name"),
                message: format!("names that begin with {RESERVED_PREFIX} are the operator's"),
                related: Vec::new(),
            });
        }
        if is_at(&volume.mount_path, MANIFEST_FOLDER) {
            faults.push(FieldError {
                path: path.key("mountPath"),
                message: format!("{MANIFEST_FOLDER} holds the manifest: mount it elsewhere"),
                related: Vec::new(),
            });
        }
    }
    faults
}
