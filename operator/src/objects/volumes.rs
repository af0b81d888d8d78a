//! Volumes of a pod: shared memory, a folder for temporary files, the manifest, and what the manifest asks for.

use super::{Attempt, MANIFEST_FOLDER};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource,
    PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount,
};
use splade_crds::{PodSettings, VolumeSource};

/// Volumes whose names begin so are the operator's.
pub const RESERVED_PREFIX: &str = "splade-";
const SHARED_MEMORY: &str = "splade-shared-memory";
const TEMPORARY: &str = "splade-temporary";
const MANIFEST: &str = "splade-manifest";
/// Where temporary files go; the root file system is read-only.
pub const TEMPORARY_FOLDER: &str = "/tmp";

/// Volumes and mounts of a pod.
pub fn build(attempt: &Attempt, settings: &PodSettings) -> (Vec<Volume>, Vec<VolumeMount>) {
    let mut volumes = vec![
        Volume {
            name: SHARED_MEMORY.into(),
            empty_dir: Some(EmptyDirVolumeSource {
                medium: Some("Memory".into()),
                size_limit: Some(settings.shared_memory.clone()),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: MANIFEST.into(),
            config_map: Some(ConfigMapVolumeSource {
                name: attempt.name(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    let mut mounts = vec![mount(SHARED_MEMORY, "/dev/shm"), manifest_mount()];
    if !settings
        .volumes
        .iter()
        .any(|volume| is_at(&volume.mount_path, TEMPORARY_FOLDER))
    {
        volumes.push(Volume {
            name: TEMPORARY.into(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
        mounts.push(mount(TEMPORARY, TEMPORARY_FOLDER));
    }
    for volume in &settings.volumes {
        volumes.push(source(&volume.name, &volume.source));
        mounts.push(VolumeMount {
            read_only: Some(volume.read_only),
            sub_path: volume.sub_path.clone(),
            ..mount(&volume.name, &volume.mount_path)
        });
    }
    (volumes, mounts)
}

/// Whether a path is this folder, whatever slashes it ends in.
pub fn is_at(path: &str, folder: &str) -> bool {
    path.trim_end_matches('/') == folder
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.into(),
        mount_path: path.into(),
        ..VolumeMount::default()
    }
}

fn manifest_mount() -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(MANIFEST, MANIFEST_FOLDER)
    }
}

fn source(name: &str, source: &VolumeSource) -> Volume {
    let mut volume = Volume {
        name: name.into(),
        ..Volume::default()
    };
    match source {
        VolumeSource::PersistentVolumeClaim(claim) => {
            volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim.claim_name.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            });
        }
        VolumeSource::Secret(secret) => {
            volume.secret = Some(SecretVolumeSource {
                secret_name: Some(secret.secret_name.clone()),
                ..SecretVolumeSource::default()
            });
        }
        VolumeSource::ConfigMap(map) => {
            volume.config_map = Some(ConfigMapVolumeSource {
                name: map.name.clone(),
                ..ConfigMapVolumeSource::default()
            });
        }
        VolumeSource::EmptyDir(folder) => {
            volume.empty_dir = Some(EmptyDirVolumeSource {
                size_limit: folder.size_limit.clone(),
                ..EmptyDirVolumeSource::default()
            });
        }
        VolumeSource::HostPath(folder) => {
            volume.host_path = Some(HostPathVolumeSource {
                path: folder.path.clone(),
                type_: Some("Directory".into()),
            });
        }
    }
    volume
}
