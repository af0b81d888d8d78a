//! Writes the custom resource definitions to `crds/yaml`.

use std::error::Error;
use std::path::Path;

use splade_crds::schema::custom_resource_definitions;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    for definition in custom_resource_definitions() {
        let name = definition.metadata.name.clone().unwrap_or_default();
        let file = folder.join(format!("{name}.yaml"));
        std::fs::write(&file, serde_saphyr::to_string(&definition)?)?;
        println!("{}", file.display());
    }
    Ok(())
}
