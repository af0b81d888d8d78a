//! Manifests: text in, typed resources or every mistake out.
//!
//! [`parse`] reads what `kubectl apply -f` reads: one or more YAML documents, or JSON. It touches
//! no file and no network. A resource that passes here passes the schema of the API server too.
//!
//! References between resources (`initFrom.trainingRef`, `model.trainingRef`) are not followed.

mod check;
mod error;
mod scalar;
mod suggestion;
mod tree;
mod yaml;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::CustomResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema::root_of;
use crate::validation::{FieldError, validate_benchmark, validate_training};
use crate::{API_VERSION, FieldPath, SpladeBenchmark, SpladeTraining};

use check::Checker;
use suggestion::one_of;
use tree::{Kind, Node};

pub use error::{ManifestError, ManifestErrors};

/// Longest manifest, in bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting of mappings and sequences.
pub const MAX_DEPTH: usize = 64;

const TRAINING: &str = "SpladeTraining";
const BENCHMARK: &str = "SpladeBenchmark";

/// A resource of a manifest.
#[derive(Clone, Debug, PartialEq)]
pub enum Resource {
    /// A training.
    Training(Box<SpladeTraining>),
    /// A benchmark.
    Benchmark(Box<SpladeBenchmark>),
}

impl Resource {
    /// `metadata.name`.
    pub fn name(&self) -> &str {
        let metadata = match self {
            Self::Training(training) => &training.metadata,
            Self::Benchmark(benchmark) => &benchmark.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// The kind as written.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Training(_) => TRAINING,
            Self::Benchmark(_) => BENCHMARK,
        }
    }
}

/// Reads a manifest: YAML documents, or JSON. Documents without content are passed over.
///
/// # Errors
/// All mistakes of all documents, in the order of the text. After a mistake in the YAML itself the
/// rest of the text is not read.
pub fn parse(text: &str) -> Result<Vec<Resource>, ManifestErrors> {
    let (documents, mut errors) = yaml::documents(text);
    let mut resources = Vec::new();
    let mut names = BTreeMap::new();
    for root in documents.iter().filter(|root| root.kind != Kind::Null) {
        errors.extend(duplicate(root, &mut names));
        match read_document(root) {
            Ok(resource) => resources.push(resource),
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    if resources.is_empty() && errors.is_empty() {
        errors.push(ManifestError {
            line: 1,
            column: 1,
            path: FieldPath::default(),
            message: format!(
                "the manifest holds no resource; expected a {TRAINING} or {BENCHMARK}"
            ),
        });
    }
    ManifestErrors::none_or(resources, errors)
}

/// Reports a resource of the same kind, namespace and name as an earlier one.
fn duplicate<'tree>(
    root: &'tree Node,
    names: &mut BTreeMap<[Option<&'tree str>; 3], usize>,
) -> Option<ManifestError> {
    let metadata = root.get("metadata")?;
    let name = metadata.get("name")?;
    let text = |node: Option<&'tree Node>| node.and_then(Node::as_str);
    let key = [
        text(root.get("kind")),
        text(metadata.get("namespace")),
        text(Some(name)),
    ];
    let first = names.insert(key, name.line)?;
    let [kind, _, name_text] = key.map(Option::unwrap_or_default);
    let path = FieldPath::of("metadata.name");
    Some(name.error(
        path,
        format!("{kind} {name_text:?} is defined already in line {first}"),
    ))
}

fn read_document(root: &Node) -> Result<Resource, Vec<ManifestError>> {
    if !matches!(root.kind, Kind::Mapping(_)) {
        let message = format!("expected a resource (a mapping), found {}", root.describe());
        return Err(vec![root.error(FieldPath::default(), message)]);
    }
    let version_error = check_api_version(root);
    match root.get("kind").and_then(Node::as_str) {
        Some(TRAINING) => read(root, version_error, &TRAINING_SCHEMA, validate_training)
            .map(|training| Resource::Training(Box::new(training))),
        Some(BENCHMARK) => read(root, version_error, &BENCHMARK_SCHEMA, validate_benchmark)
            .map(|benchmark| Resource::Benchmark(Box::new(benchmark))),
        other => {
            let message = match other {
                Some(kind) => one_of(
                    &format!("unknown kind {kind:?}"),
                    kind,
                    &[TRAINING, BENCHMARK],
                ),
                None => format!("a text is required: {TRAINING} or {BENCHMARK}"),
            };
            let node = root.get("kind").unwrap_or(root);
            let kind_error = node.error(FieldPath::of("kind"), message);
            Err(version_error.into_iter().chain([kind_error]).collect())
        }
    }
}

fn check_api_version(root: &Node) -> Option<ManifestError> {
    let node = root.get("apiVersion");
    let message = match node.and_then(Node::as_str) {
        Some(API_VERSION) => return None,
        Some(other) => format!("unknown apiVersion {other:?}; expected {API_VERSION:?}"),
        None => format!("a text is required: {API_VERSION:?}"),
    };
    Some(
        node.unwrap_or(root)
            .error(FieldPath::of("apiVersion"), message),
    )
}

/// Checks one resource against schema and rules, and types it.
fn read<K: DeserializeOwned>(
    root: &Node,
    version_error: Option<ManifestError>,
    schema: &JSONSchemaProps,
    validate: fn(&K) -> Vec<FieldError>,
) -> Result<K, Vec<ManifestError>> {
    let mut checker = Checker::default();
    let value = checker
        .check(root, schema, &FieldPath::default())
        .unwrap_or(Value::Null);
    let mut errors: Vec<_> = version_error
        .into_iter()
        .chain(checker.into_errors())
        .collect();
    match serde_json::from_value::<K>(value) {
        // Values at fault were left out or replaced. Rules that looked at one would mislead.
        Ok(resource) => {
            let faults = validate(&resource);
            let misled = |fault: &FieldError, errors: &[ManifestError]| {
                let mut read = fault.related.iter().chain([&fault.path]);
                read.any(|path| errors.iter().any(|error| error.path.touches(path)))
            };
            let meant: Vec<_> = faults
                .into_iter()
                .filter(|fault| !misled(fault, &errors))
                .collect();
            for fault in meant {
                errors.push(root.nearest(&fault.path).error(fault.path, fault.message));
            }
            if errors.is_empty() {
                Ok(resource)
            } else {
                Err(errors)
            }
        }
        Err(_) if !errors.is_empty() => Err(errors),
        Err(error) => Err(vec![root.error(FieldPath::default(), error.to_string())]),
    }
}

static TRAINING_SCHEMA: LazyLock<JSONSchemaProps> =
    LazyLock::new(manifest_schema::<SpladeTraining>);
static BENCHMARK_SCHEMA: LazyLock<JSONSchemaProps> =
    LazyLock::new(manifest_schema::<SpladeBenchmark>);

/// The schema of the definition, with the members that the API server checks by itself.
fn manifest_schema<K: CustomResourceExt>() -> JSONSchemaProps {
    let mut schema = root_of(&K::crd());
    let text = JSONSchemaProps {
        type_: Some("string".into()),
        ..JSONSchemaProps::default()
    };
    let properties = schema.properties.get_or_insert_default();
    properties.insert("apiVersion".into(), text.clone());
    properties.insert("kind".into(), text);
    properties.insert("metadata".into(), metadata_schema());
    schema
        .required
        .get_or_insert_default()
        .push("metadata".into());
    schema
}

fn metadata_schema() -> JSONSchemaProps {
    let settings = schemars::generate::SchemaSettings::openapi3()
        .with(|settings| settings.inline_subschemas = true);
    let schema = settings
        .into_generator()
        .into_root_schema_for::<ObjectMeta>();
    let mut schema: JSONSchemaProps = serde_json::from_value(schema.to_value()).unwrap_or_default();
    // Bookkeeping of the API server, of no meaning here: taken as it is, and dropped.
    let fields = schema.properties.get_or_insert_default();
    fields.insert("managedFields".into(), JSONSchemaProps::default());
    schema
}
