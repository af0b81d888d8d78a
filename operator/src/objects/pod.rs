//! The pod of an attempt: restricted by Pod Security's rules, without a credential of Kubernetes.

use super::Attempt;
use super::service::{MASTER_PORT, STATUS_PORT};
use super::volumes::{self, TEMPORARY_FOLDER};
use crate::labels::Component;
use crate::names;
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMapKeySelector, Container, ContainerPort, EnvVar, EnvVarSource,
    LocalObjectReference, ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity,
    PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, SeccompProfile,
    SecretKeySelector, SecurityContext, Toleration,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use splade_crds::{EnvSource, PodSettings, TolerationEffect, TolerationOperator};

/// Group that owns the files of volumes, so that a program without root's rights can write them.
const FILE_SYSTEM_GROUP: i64 = 65_532;

/// What a pod of an attempt is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct PodPlan<'a> {
    /// Settings from the manifest.
    pub settings: &'a PodSettings,
    /// Image, where the manifest names none.
    pub default_image: &'a str,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Resource name and number of devices.
    pub devices: Option<(&'a str, u32)>,
    /// Seconds from SIGTERM to SIGKILL.
    pub termination_seconds: u32,
    /// Environment variables beside those that every pod has; the manifest's go before them.
    pub env: Vec<(&'static str, String)>,
}

impl PodPlan<'_> {
    /// The template of the attempt's pods.
    pub fn template(&self, attempt: &Attempt) -> PodTemplateSpec {
        let settings = self.settings;
        let (volumes, mounts) = volumes::build(attempt, settings);
        let container = Container {
            name: names::CONTAINER.into(),
            image: Some(
                settings
                    .image
                    .as_deref()
                    .unwrap_or(self.default_image)
                    .into(),
            ),
            command: Some(self.command.clone()),
            env: Some(self.environment(attempt)),
            resources: Some(self.resources()),
            volume_mounts: Some(mounts),
            security_context: Some(container_security()),
            // A program that dies without a word leaves the end of its log.
            termination_message_policy: Some("FallbackToLogsOnError".into()),
            ports: (attempt.component == Component::Training).then(|| {
                vec![
                    port("metrics", STATUS_PORT),
                    port("ranks", MASTER_PORT),
                    port("launchers", MASTER_PORT + 1),
                ]
            }),
            ..Container::default()
        };
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(attempt.labels()),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                containers: vec![container],
                volumes: Some(volumes),
                restart_policy: Some("Never".into()),
                subdomain: (attempt.component == Component::Training).then(|| attempt.name()),
                automount_service_account_token: Some(false),
                enable_service_links: Some(false),
                service_account_name: settings.service_account_name.clone(),
                image_pull_secrets: non_empty(&settings.image_pull_secrets, |secret| {
                    LocalObjectReference {
                        name: secret.name.clone(),
                    }
                }),
                node_selector: (!settings.node_selector.is_empty())
                    .then(|| settings.node_selector.clone()),
                tolerations: non_empty(&settings.tolerations, toleration),
                priority_class_name: settings.priority_class_name.clone(),
                affinity: (attempt.pods > 1).then(|| one_pod_a_node(attempt)),
                security_context: Some(pod_security()),
                termination_grace_period_seconds: Some(self.termination_seconds.into()),
                ..PodSpec::default()
            }),
        }
    }

    fn resources(&self) -> ResourceRequirements {
        let asked = self.settings.resources.clone().unwrap_or_default();
        let (mut requests, mut limits) = (asked.requests, asked.limits);
        if let Some((resource, number)) = self.devices {
            // Kubernetes wants both to be equal for what a device plugin offers.
            for side in [&mut requests, &mut limits] {
                side.insert(resource.into(), Quantity(number.to_string()));
            }
        }
        ResourceRequirements {
            requests: (!requests.is_empty()).then_some(requests),
            limits: (!limits.is_empty()).then_some(limits),
            ..ResourceRequirements::default()
        }
    }

    fn environment(&self, attempt: &Attempt) -> Vec<EnvVar> {
        let asked = &self.settings.env;
        let plain = |name: &str, value: String| EnvVar {
            name: name.into(),
            value: Some(value),
            value_from: None,
        };
        let mut ours = vec![
            field("POD_NAME", "metadata.name"),
            field("NODE_NAME", "spec.nodeName"),
            plain("TMPDIR", TEMPORARY_FOLDER.into()),
            plain("OTEL_RESOURCE_ATTRIBUTES", attributes(attempt)),
        ];
        ours.extend(
            attempt
                .traceparent
                .clone()
                .map(|context| plain("TRACEPARENT", context)),
        );
        ours.extend(
            self.env
                .iter()
                .map(|(name, value)| plain(name, value.clone())),
        );
        ours.retain(|variable| !asked.iter().any(|theirs| theirs.name == variable.name));
        ours.extend(asked.iter().map(environment_variable));
        ours
    }
}

/// What telemetry says about where a pod runs. `$(...)` is filled in by the kubelet.
fn attributes(attempt: &Attempt) -> String {
    let owner = &attempt.owner;
    [
        ("k8s.namespace.name", owner.namespace.as_str()),
        ("k8s.job.name", &attempt.name()),
        ("k8s.pod.name", "$(POD_NAME)"),
        ("k8s.node.name", "$(NODE_NAME)"),
        ("k8s.container.name", names::CONTAINER),
        ("splade.training.attempt", &attempt.number.to_string()),
    ]
    .map(|(key, value)| format!("{key}={value}"))
    .join(",")
}

fn field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.into(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                api_version: None,
                field_path: path.into(),
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn environment_variable(variable: &splade_crds::EnvVar) -> EnvVar {
    let value_from = variable.value_from.as_ref().map(|source| match source {
        EnvSource::SecretKeyRef(reference) => EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: reference.name.clone(),
                key: reference.key.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        },
        EnvSource::ConfigMapKeyRef(reference) => EnvVarSource {
            config_map_key_ref: Some(ConfigMapKeySelector {
                name: reference.name.clone(),
                key: reference.key.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        },
    });
    EnvVar {
        name: variable.name.clone(),
        value: variable.value.clone(),
        value_from,
    }
}

fn toleration(asked: &splade_crds::Toleration) -> Toleration {
    Toleration {
        key: asked.key.clone(),
        operator: Some(match asked.operator {
            TolerationOperator::Equal => "Equal".into(),
            TolerationOperator::Exists => "Exists".into(),
        }),
        value: asked.value.clone(),
        effect: asked.effect.map(|effect| match effect {
            TolerationEffect::NoSchedule => "NoSchedule".into(),
            TolerationEffect::PreferNoSchedule => "PreferNoSchedule".into(),
            TolerationEffect::NoExecute => "NoExecute".into(),
        }),
        toleration_seconds: asked.toleration_seconds.map(i64::from),
    }
}

fn one_pod_a_node(attempt: &Attempt) -> Affinity {
    Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            required_during_scheduling_ignored_during_execution: Some(vec![PodAffinityTerm {
                label_selector: Some(LabelSelector {
                    match_labels: Some(attempt.labels()),
                    match_expressions: None,
                }),
                topology_key: "kubernetes.io/hostname".into(),
                ..PodAffinityTerm::default()
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    }
}

fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        fs_group: Some(FILE_SYSTEM_GROUP),
        fs_group_change_policy: Some("OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".into(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

fn container_security() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".into()]),
        }),
        ..SecurityContext::default()
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number,
        ..ContainerPort::default()
    }
}

fn non_empty<T, U>(list: &[T], build: impl Fn(&T) -> U) -> Option<Vec<U>> {
    (!list.is_empty()).then(|| list.iter().map(build).collect())
}
