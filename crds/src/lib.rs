//! API types of `splade-operator`: [`SpladeTraining`] and [`SpladeBenchmark`]
//! (group `neuralsparse.dev`, version `v1alpha1`, namespaced).
//!
//! The doc comment of a field is what `kubectl explain` shows. Defaults are those of the headline
//! recipe. Real numbers are [`Decimal`] strings, never floats. The same types serve the operator,
//! which reads them from the cluster, and the job, which reads them from a file through
//! [`manifest::parse`].

pub mod benchmark;
pub mod manifest;
pub mod training;
pub mod validation;

mod condition;
mod decimal;
mod field_path;
mod metric;
mod operator_fields;
mod pod;
mod reference;
pub mod schema;
mod storage_uri;

pub use benchmark::{SpladeBenchmark, SpladeBenchmarkSpec, SpladeBenchmarkStatus};
pub use condition::{ConditionType, DisplayState};
pub use decimal::{Decimal, DecimalError};
pub use field_path::{FieldPath, Segment};
pub use metric::Metric;
pub use operator_fields::{
    BENCHMARK_OPERATOR_FIELDS, OperatorField, TRAINING_OPERATOR_FIELDS, read_by_operator_only,
};
pub use pod::{
    ConfigMapSource, DeviceResource, EmptyDirSource, EnvSource, EnvVar, HostPathSource, KeyRef,
    PersistentVolumeClaimSource, PodSettings, RESERVED_ENVIRONMENT, ResourceSettings, SecretSource,
    Toleration, TolerationEffect, TolerationOperator, Volume, VolumeSource,
};
pub use reference::LocalReference;
pub use storage_uri::{StorageUri, StorageUriError};
pub use training::{SpladeTraining, SpladeTrainingSpec, SpladeTrainingStatus};

/// API group of both resources.
pub const GROUP: &str = "neuralsparse.dev";
/// API version of both resources.
pub const VERSION: &str = "v1alpha1";
/// What a manifest writes as `apiVersion`.
pub const API_VERSION: &str = "neuralsparse.dev/v1alpha1";
