//! Rules of pod settings.

use std::collections::BTreeMap;

use super::Faults;
use crate::field_path::FieldPath;
use crate::pod::{PodSettings, RESERVED_ENVIRONMENT};

const SHARED_MEMORY_PATH: &str = "/dev/shm";

/// Checks settings that lie at `at`.
pub(super) fn validate(settings: &PodSettings, at: &FieldPath, faults: &mut Faults) {
    for (index, variable) in settings.env.iter().enumerate() {
        let path = at.key("env").index(index);
        if variable.value.is_some() == variable.value_from.is_some() {
            faults.add(path.clone(), "exactly one of value, valueFrom must be set");
        }
        if RESERVED_ENVIRONMENT.contains(&variable.name.as_str()) {
            let message = format!("{} is set by the launcher for every rank", variable.name);
            faults.add(path.key("name"), message);
        }
    }
    let mut taken = BTreeMap::new();
    for (index, volume) in settings.volumes.iter().enumerate() {
        let path = at.key("volumes").index(index).key("mountPath");
        let mount = volume.mount_path.trim_end_matches('/');
        if mount == SHARED_MEMORY_PATH {
            faults.add(
                path,
                "/dev/shm is the shared memory: set its size by sharedMemory",
            );
        } else if let Some(other) = taken.insert(mount, &volume.name) {
            faults.add(path, format!("volume {other:?} is mounted here already"));
        }
    }
}
