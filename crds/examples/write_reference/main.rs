//! Writes `docs/manifest.md`, the reference of the manifests.

mod page;

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/manifest.md");
    std::fs::write(&file, page::page())?;
    println!("{}", file.display());
    Ok(())
}
