//! The custom resource definitions: what the API server demands, and that its CEL rules agree with
//! the local rules.

#![allow(clippy::unwrap_used)] // helpers of tests, which clippy does not recognise as tests

use std::fs;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use splade_crds::schema::{benchmark_spec, custom_resource_definitions, leaf_paths, training_spec};

#[test]
fn the_committed_yaml_is_up_to_date() {
    for definition in custom_resource_definitions() {
        let name = definition.metadata.name.clone().unwrap();
        let file = format!("{}/yaml/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == serde_saphyr::to_string(&definition).unwrap(),
            "{file} differs from the types; run: cargo run -p splade-crds --example write_crds"
        );
    }
}

#[test]
fn client_side_apply_can_carry_the_definitions() {
    // `kubectl apply` keeps a copy in an annotation of at most 256 KiB.
    for definition in custom_resource_definitions() {
        assert!(serde_json::to_string(&definition).unwrap().len() < 256 * 1024);
    }
}

#[test]
fn objects_can_be_selected_by_state_and_data_set() {
    let selectable = |definition: &CustomResourceDefinition| -> Vec<String> {
        let fields = definition.spec.versions[0].selectable_fields.clone();
        let fields = fields.unwrap_or_default();
        fields.into_iter().map(|field| field.json_path).collect()
    };
    let [trainings, benchmarks] = custom_resource_definitions();
    assert_eq!(selectable(&trainings), [".status.state"]);
    assert_eq!(
        selectable(&benchmarks),
        [".status.state", ".spec.dataset.name"]
    );
}

/// Columns of a terminal that people read tables in.
const TERMINAL: usize = 100;
/// Spaces that kubectl puts between two columns.
const GAP: usize = 3;

/// What `kubectl get` prints of a training, with the widest values that are usual.
const TRAINING_COLUMNS: &[(&str, &str)] = &[
    ("Name", "korean-v33-distilled"),
    ("State", "Benchmarking"),
    ("Step", "100000"),
    ("Total", "100000"),
    ("Loss", "12.3456"),
    ("ETA", "2026-11-25T14:03:27Z"),
    ("Checkpoint", "3d21h"),
];

/// The same of a benchmark.
const BENCHMARK_COLUMNS: &[(&str, &str)] = &[
    ("Name", "korean-v33-strategyqa"),
    ("Dataset", "Ko-StrategyQA"),
    ("Metric", "success@1"),
    ("BM25", "53.7%"),
    ("Sparse", "62.2%"),
    ("Semantic", "73.5%"),
    ("Hybrid", "72.3%"),
    ("State", "Restarting"),
];

#[test]
fn what_kubectl_get_prints_fits_a_terminal() {
    let definitions = custom_resource_definitions();
    for (definition, expected) in definitions
        .iter()
        .zip([TRAINING_COLUMNS, BENCHMARK_COLUMNS])
    {
        let columns = definition.spec.versions[0]
            .additional_printer_columns
            .iter();
        let narrow = columns
            .flatten()
            .filter(|column| column.priority.unwrap_or(0) == 0);
        let printed: Vec<_> = narrow.map(|column| column.name.as_str()).collect();
        let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(printed, names[1..], "columns that are not wide only");
        let widths = expected
            .iter()
            .map(|(name, value)| name.len().max(value.len()));
        let width = widths.sum::<usize>() + GAP * (expected.len() - 1);
        let plural = &definition.spec.names.plural;
        assert!(width <= TERMINAL, "{plural} need {width} columns");
    }
}

#[test]
fn times_to_come_are_not_printed_as_an_age() {
    // `kubectl` prints the age of a time to come as `<invalid>`.
    for definition in custom_resource_definitions() {
        let columns = definition.spec.versions[0]
            .additional_printer_columns
            .iter();
        for column in columns.flatten().filter(|column| column.type_ == "date") {
            assert!(
                !column.json_path.contains("estimated"),
                "{} is a time to come",
                column.name
            );
        }
    }
}

/// Calls `visit` with every schema below `schema` and its path.
fn walk(schema: &JSONSchemaProps, path: &str, visit: &mut dyn FnMut(&str, &JSONSchemaProps)) {
    visit(path, schema);
    for (name, field) in schema.properties.iter().flatten() {
        walk(field, &format!("{path}.{name}"), visit);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        walk(items, &format!("{path}[]"), visit);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        walk(values, &format!("{path}{{}}"), visit);
    }
}

#[test]
fn every_field_of_the_specs_is_bounded_documented_and_structural() {
    for (kind, schema) in [
        ("training", training_spec()),
        ("benchmark", benchmark_spec()),
    ] {
        walk(&schema, kind, &mut |path, field| {
            let is_value = path.ends_with("{}") || path.ends_with("[]");
            assert!(
                field.description.is_some() || is_value,
                "{path} has no description"
            );
            assert!(
                field.one_of.is_none() && field.any_of.is_none(),
                "{path} is not structural"
            );
            assert_ne!(field.nullable, Some(true), "{path} is nullable");
            let is_union = field.properties.is_some() && field.additional_properties.is_some();
            assert!(!is_union, "{path} has properties and additionalProperties");
            match field.type_.as_deref() {
                Some("string") => assert!(
                    field.max_length.is_some() || field.enum_.is_some(),
                    "{path} is unbounded"
                ),
                Some("array") => assert!(field.max_items.is_some(), "{path} is unbounded"),
                Some("object") if field.additional_properties.is_some() => {
                    assert!(field.max_properties.is_some(), "{path} is unbounded");
                }
                Some("integer") => {
                    let format = field.format.as_deref();
                    assert!(
                        matches!(format, Some("int32" | "int64")),
                        "{path}: {format:?}"
                    );
                    assert!(field.maximum.is_some(), "{path} is unbounded");
                }
                Some("object" | "boolean") => {}
                None => assert_eq!(field.x_kubernetes_int_or_string, Some(true), "{path}"),
                other => panic!("{path}: unexpected type {other:?}"),
            }
        });
    }
}

#[test]
fn leaf_paths_name_fields_lists_and_maps() {
    let paths = leaf_paths(&training_spec());
    for path in [
        "model.base",
        "data.train[]",
        "loss.flops.schedule.warmupSteps",
        "optimizer.seed",
        "initFrom.trainingRef.name",
        "gang.nodeSelector",
        "gang.env[].valueFrom.secretKeyRef.key",
        "benchmarks[].name",
        "benchmarks[].hybrid.weights.sparse",
    ] {
        assert!(
            paths.iter().any(|found| found == path),
            "{path} is not among {paths:?}"
        );
    }
    assert!(paths.is_sorted());
    assert!(!paths.iter().any(|path| path.is_empty() || path == "loss"));
}
