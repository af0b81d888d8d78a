//! The reference of the manifests is that of these types.

#[path = "../examples/write_reference/page.rs"]
mod page;

#[test]
fn the_committed_reference_is_up_to_date() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manifest.md");
    let committed = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        committed == page::page(),
        "{file} differs from the types; run: make chart"
    );
}

#[test]
fn every_field_of_a_spec_is_on_the_page() {
    let page = page::page();
    let has = |path: &str| page.contains(&format!("| `{path}` |"));
    for path in splade_crds::schema::leaf_paths(&splade_crds::schema::training_spec()) {
        let path = path.trim_end_matches("[]");
        // Entries of benchmarks have the fields of a SpladeBenchmark.
        let there = path.strip_prefix("benchmarks[].").is_some_and(has);
        assert!(has(path) || there, "{path} is missing");
    }
}
