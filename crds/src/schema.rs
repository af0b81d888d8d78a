//! From Rust types to structural OpenAPI schemas, and questions to those schemas.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde_json::{Map, Value, json};

use crate::{SpladeBenchmark, SpladeTraining};

/// Pattern of an object name (RFC 1123 subdomain).
pub(crate) const NAME_PATTERN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Pattern of a name without dots (RFC 1123 label).
pub(crate) const LABEL_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Pattern of a positive Kubernetes quantity.
pub(crate) const QUANTITY_PATTERN: &str =
    r"^[0-9]+(\.[0-9]{1,3})?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$";

/// Largest integer that survives JSON readers which know only floats: 2^53 - 1.
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;

const UNION_RULE_END: &str = ".filter(present, present).size() == 1";

/// Both custom resource definitions, as installed in a cluster.
pub fn custom_resource_definitions() -> [CustomResourceDefinition; 2] {
    [SpladeTraining::crd(), SpladeBenchmark::crd()]
}

/// The paths of all fields below `schema` that hold a value and have no fields of their own, in
/// alphabetical order: `data.train[]`, `gang.nodeSelector`, `optimizer.seed`. A list of objects
/// contributes the fields of its items (`benchmarks[].name`), a map is one field.
pub fn leaf_paths(schema: &JSONSchemaProps) -> Vec<String> {
    let mut paths = Vec::new();
    collect_leaves(schema, "", &mut paths);
    paths.sort_unstable();
    paths
}

/// Schema of `SpladeTraining.spec`.
pub fn training_spec() -> JSONSchemaProps {
    spec_of(&SpladeTraining::crd())
}

/// Schema of `SpladeBenchmark.spec`.
pub fn benchmark_spec() -> JSONSchemaProps {
    spec_of(&SpladeBenchmark::crd())
}

/// Schema of the whole object, as the definition carries it.
pub(crate) fn root_of(definition: &CustomResourceDefinition) -> JSONSchemaProps {
    let version = definition.spec.versions.first();
    let validation = version.and_then(|version| version.schema.as_ref());
    validation
        .and_then(|schema| schema.open_api_v3_schema.clone())
        .unwrap_or_default()
}

fn spec_of(definition: &CustomResourceDefinition) -> JSONSchemaProps {
    root_of(definition)
        .properties
        .and_then(|mut fields| fields.remove("spec"))
        .unwrap_or_default()
}

fn collect_leaves(schema: &JSONSchemaProps, path: &str, paths: &mut Vec<String>) {
    if let Some(properties) = schema
        .properties
        .as_ref()
        .filter(|fields| !fields.is_empty())
    {
        for (name, field) in properties {
            let separator = if path.is_empty() { "" } else { "." };
            collect_leaves(field, &format!("{path}{separator}{name}"), paths);
        }
    } else if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        collect_leaves(items, &format!("{path}[]"), paths);
    } else {
        paths.push(path.to_owned());
    }
}

/// The member names when `schema` is a union: an object of which exactly one member is set.
pub(crate) fn union_members(schema: &JSONSchemaProps) -> Option<Vec<&str>> {
    let rules = schema.x_kubernetes_validations.as_ref()?;
    let is_union = rules.iter().any(|rule| rule.rule.ends_with(UNION_RULE_END));
    let properties = schema.properties.as_ref().filter(|_| is_union)?;
    Some(properties.keys().map(String::as_str).collect())
}

/// Schema of a map's values, when `schema` is a map.
pub(crate) fn map_values(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => Some(values),
        _ => None,
    }
}

/// What a text must look like, in words, for the patterns of this crate.
pub(crate) fn pattern_in_words(pattern: &str) -> Option<&'static str> {
    match pattern {
        crate::decimal::DECIMAL_PATTERN => {
            Some("a non-negative decimal number such as \"0.01\" or \"5e-5\"")
        }
        crate::storage_uri::STORAGE_URI_PATTERN => {
            Some("a storage location: s3://bucket/key, file://path or a plain path")
        }
        NAME_PATTERN => Some("an object name: lower-case letters, digits, '-' and '.'"),
        LABEL_PATTERN => Some("a name of lower-case letters, digits and '-'"),
        QUANTITY_PATTERN => Some("a quantity such as \"2\", \"500m\" or \"16Gi\""),
        _ => None,
    }
}

/// `x-kubernetes-validations` from pairs of a CEL rule and its message.
pub(crate) fn cel(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({"rule": rule, "message": message}))
        .collect()
}

/// CEL: a decimal above zero.
pub(crate) fn above_zero() -> Value {
    cel(&[("double(self) > 0.0", "must be greater than 0")])
}

/// CEL: a decimal from 0 to 1.
pub(crate) fn up_to_one() -> Value {
    cel(&[("double(self) <= 1.0", "must be from 0 to 1")])
}

/// CEL: a decimal from 0 to below 1.
pub(crate) fn below_one() -> Value {
    cel(&[("double(self) < 1.0", "must be at least 0 and below 1")])
}

/// Transform of an enum whose variants carry data: instead of `oneOf`, which structural schemas
/// restrict and whose messages help nobody, an object with optional members and a CEL rule that
/// exactly one is set.
pub(crate) fn union(schema: &mut Schema) {
    let Some(Value::Array(variants)) = schema.remove("oneOf") else {
        return;
    };
    let mut members = Map::new();
    for mut variant in variants {
        let description = variant.get("description").cloned();
        let Some(Value::Object(properties)) = variant.get_mut("properties").map(Value::take) else {
            continue;
        };
        for (name, mut member) in properties {
            if let (Some(object), Some(text)) = (member.as_object_mut(), description.clone()) {
                object.insert("description".into(), text);
            }
            members.insert(name, member);
        }
    }
    let names: Vec<&str> = members.keys().map(String::as_str).collect();
    let presence: Vec<String> = names
        .iter()
        .map(|name| format!("has(self.{name})"))
        .collect();
    let rule = format!("[{}]{UNION_RULE_END}", presence.join(", "));
    let message = format!("exactly one of {} must be set", names.join(", "));
    schema.insert("x-kubernetes-validations".into(), cel(&[(&rule, &message)]));
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(members));
}

/// Transform of a whole spec or status into what the API server accepts without a warning: integer
/// formats that it knows, optional instead of nullable fields, no titles, and no ban on unknown
/// fields in the schema (the server prunes or refuses them itself).
pub(crate) fn structural(schema: &mut Schema) {
    transform_subschemas(&mut structural, schema);
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("title");
    object.remove("unevaluatedProperties");
    if object.get("additionalProperties") == Some(&Value::Bool(false)) {
        object.remove("additionalProperties");
    }
    signed(object);
    drop_null(object);
    plain_enum(object);
}

/// Unsigned formats are unknown to Kubernetes: the signed format of the same width, and its bound.
fn signed(object: &mut Map<String, Value>) {
    let (format, bound) = match object.get("format").and_then(Value::as_str) {
        Some("uint32") => ("int32", Value::from(i32::MAX)),
        Some("uint64") => ("int64", Value::from(MAX_INTEGER)),
        _ => return,
    };
    object.insert("format".into(), format.into());
    object.entry("maximum").or_insert(bound);
}

fn drop_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
        choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
        match choices.as_slice() {
            [Value::Object(only)] => take_over(object, only),
            _ => {
                object.insert("anyOf".into(), choices.into());
            }
        }
    }
}

/// Merges the schema of a field's type into that of the field. What the field says of itself wins;
/// the meaning of each value of an enum is kept.
fn take_over(field: &mut Map<String, Value>, of_type: &Map<String, Value>) {
    let text = |schema: &Map<String, Value>| {
        schema
            .get("description")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let meanings = text(of_type).filter(|_| of_type.contains_key("enum"));
    let meanings = meanings.as_ref().and_then(|text| text.split_once("\n\n"));
    if let (Some(own), Some((_, meanings))) = (text(field), meanings) {
        field.insert("description".into(), format!("{own}\n\n{meanings}").into());
    }
    for (key, value) in of_type {
        field.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Enums whose variants have doc comments come as `oneOf` of constants; the documentation of each
/// value moves into the description, where `kubectl explain` shows it.
fn plain_enum(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get("oneOf") else {
        return;
    };
    let mut values = Vec::new();
    let mut lines = Vec::new();
    for choice in choices {
        let listed = choice
            .get("enum")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let named: Vec<Value> = choice
            .get("const")
            .cloned()
            .into_iter()
            .chain(listed)
            .collect();
        if let ([value], Some(text)) = (named.as_slice(), choice.get("description")) {
            let words = text.as_str().unwrap_or_default().replace('\n', " ");
            lines.push(format!("{}: {words}", value.as_str().unwrap_or_default()));
        }
        values.extend(named);
    }
    if values.is_empty() {
        return;
    }
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), values.into());
    let own = object
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let description = format!("{own}\n\n{}", lines.join("\n"));
    object.insert("description".into(), description.trim().into());
}
