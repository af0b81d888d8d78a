//! The reference of the manifests, from the schemas that the API server has.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use splade_crds::schema::{benchmark_spec, custom_resource_definitions};

const HEAD: &str = "# Fields of the manifests

<!-- Made from the API types by `make chart`. -->

Group `neuralsparse.dev`, version `v1alpha1`; both kinds live in a namespace. `kubectl explain spladetraining.spec.loss --recursive` shows the same in a cluster,
`splade-job validate -f FILE` checks a manifest without one and names every mistake with its line.

Real numbers are texts, for example `\"5e-5\"`. A location is `s3://bucket/key`, `file://path` or a path. A field that is not required and has no default may be
left out. What the job of this version does not do yet, it refuses by name, with exit code 78, before it begins.
";

const TABLE: &str = "\n| field | type | default | what it is |\n|---|---|---|---|\n";

type Fields = BTreeMap<String, JSONSchemaProps>;

/// The whole page.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for definition in custom_resource_definitions() {
        kind(&mut page, &definition);
    }
    page
}

fn kind(page: &mut String, definition: &CustomResourceDefinition) {
    let names = &definition.spec.names;
    let root = schema(definition);
    let short = names.short_names.clone().unwrap_or_default().join(", ");
    put(page, &format!("\n## {}\n", names.kind));
    put(page, &format!("{} Short name `{short}`.", words(&root)));
    for part in ["spec", "status"] {
        let Some(top) = root.properties.as_ref().and_then(|all| all.get(part)) else {
            continue;
        };
        put(page, &format!("\n### {}: {part}\n", names.kind));
        if part == "spec" {
            put(page, &words(top));
            put(page, "");
            rules(page, &[&root, top]);
        }
        put(page, TABLE.trim_end());
        rows(page, top, "");
        put(page, "");
    }
}

/// What the API server checks of the object as a whole, in the words of its refusal.
fn rules(page: &mut String, schemas: &[&JSONSchemaProps]) {
    put(
        page,
        "The API server refuses an object, or a change of one, with these messages; those of single fields stand beside the fields:\n",
    );
    let all = schemas
        .iter()
        .map(|schema| &schema.x_kubernetes_validations);
    for rule in all.flatten().flatten() {
        let message = rule.message.clone().unwrap_or_default();
        put(page, &format!("- {}", plain(&message)));
    }
}

fn rows(page: &mut String, schema: &JSONSchemaProps, path: &str) {
    let required = schema.required.clone().unwrap_or_default();
    for (name, field) in fields(schema).unwrap_or_default() {
        let at = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let default = match &field.default {
            Some(default) if fields(&field).is_none() => format!("`{}`", default.0),
            _ if required.contains(&name) => "required".into(),
            _ => String::new(),
        };
        let (kind, text) = (kind_of(&field), words(&field));
        put(
            page,
            &format!(
                "| `{at}` | {kind} | {default} | {text}{} |",
                own_rules(&field)
            ),
        );
        if at == "benchmarks" && is_plan(&field) {
            plan_rows(page, &field);
        } else if let Some(items) = items(&field) {
            rows(page, items, &format!("{at}[]"));
        } else {
            rows(page, &field, &at);
        }
    }
}

/// Entries of a training's benchmarks: what they have more than a SpladeBenchmark.
fn plan_rows(page: &mut String, field: &JSONSchemaProps) {
    let plan = benchmark_spec().properties.unwrap_or_default();
    let mut own = items(field).cloned().unwrap_or_default();
    if let Some(all) = own.properties.as_mut() {
        all.retain(|name, _| !plan.contains_key(name));
    }
    rows(page, &own, "benchmarks[]");
    put(
        page,
        "| `benchmarks[].…` | | | All fields of a SpladeBenchmark's spec, below, but `model` and `ttlSecondsAfterFinished`. |",
    );
}

/// Fields of a SpladeBenchmark's spec that an entry of a training's benchmarks has not.
const NOT_OF_ENTRIES: [&str; 2] = ["model", "ttlSecondsAfterFinished"];

/// Whether a list has the fields of a SpladeBenchmark's spec, but for those that entries have not.
fn is_plan(field: &JSONSchemaProps) -> bool {
    let plan = benchmark_spec().properties.unwrap_or_default();
    let there = items(field).and_then(fields).unwrap_or_default();
    plan.keys()
        .filter(|name| !NOT_OF_ENTRIES.contains(&name.as_str()))
        .all(|name| there.contains_key(name))
}

/// Rules of a field itself, in the words of the refusal.
fn own_rules(field: &JSONSchemaProps) -> String {
    let rules = field.x_kubernetes_validations.iter().flatten();
    let mut text = String::new();
    for message in rules.filter_map(|rule| rule.message.as_deref()) {
        text.push_str("<br>*");
        text.push_str(&plain(message));
        text.push('*');
    }
    text
}

fn kind_of(field: &JSONSchemaProps) -> String {
    if let Some(values) = &field.enum_ {
        let values: Vec<String> = values.iter().map(|value| value.0.to_string()).collect();
        return values.join(", ").replace('"', "`");
    }
    if field.x_kubernetes_int_or_string == Some(true) {
        return "quantity".into();
    }
    let range = bounds(field);
    match field.type_.as_deref() {
        Some("string") if field.format.as_deref() == Some("date-time") => "time".into(),
        Some("string") => "text".into(),
        Some("integer") => format!("integer{range}"),
        Some("boolean") => "true, false".into(),
        Some("array") => match items(field).map(kind_of) {
            Some(kind) if kind != "object" => format!("list of {kind}{}", most(field.max_items)),
            _ => format!("list{}", most(field.max_items)),
        },
        Some("object") => match &field.additional_properties {
            Some(JSONSchemaPropsOrBool::Schema(values)) => format!("map to {}", kind_of(values)),
            _ => "object".into(),
        },
        other => other.unwrap_or_default().into(),
    }
}

fn bounds(field: &JSONSchemaProps) -> String {
    // The bounds of the number's own type say nothing.
    let most = field.maximum.filter(|most| *most < f64::from(i32::MAX));
    match (field.minimum, most) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

fn most(items: Option<i64>) -> String {
    items.map_or_else(String::new, |items| format!(", at most {items}"))
}

fn schema(definition: &CustomResourceDefinition) -> JSONSchemaProps {
    let version = definition.spec.versions.first();
    let validation = version.and_then(|version| version.schema.clone());
    validation
        .and_then(|validation| validation.open_api_v3_schema)
        .unwrap_or_default()
}

fn fields(schema: &JSONSchemaProps) -> Option<Fields> {
    schema.properties.clone().filter(|all| !all.is_empty())
}

fn items(field: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &field.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => Some(items),
        _ => None,
    }
}

/// The description, for a cell of a table: paragraphs are lines, the values of an enum too.
fn words(field: &JSONSchemaProps) -> String {
    let text = plain(field.description.as_deref().unwrap_or_default());
    let (first, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let first = first.replace('\n', " ");
    let is_enum = field.enum_.is_some();
    let rest = if is_enum {
        rest.replace('\n', "<br>")
    } else {
        rest.replace("\n\n", "<br>").replace('\n', " ")
    };
    if rest.is_empty() {
        first
    } else {
        format!("{first}<br>{rest}")
    }
}

/// Text without what Markdown would take for its own.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn put(page: &mut String, line: &str) {
    // Writing into a String does not fail.
    let _ = writeln!(page, "{line}");
}
