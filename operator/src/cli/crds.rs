//! `splade-operator crds`.

use splade_crds::schema::custom_resource_definitions;
use std::io::Write;

/// Definitions that cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum CrdsError {
    /// They do not become YAML.
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// Standard output does not take them.
    #[error(transparent)]
    Output(#[from] std::io::Error),
}

pub(super) fn print() -> Result<(), CrdsError> {
    let mut output = std::io::stdout().lock();
    for definition in custom_resource_definitions() {
        writeln!(
            output,
            "---\n{}",
            serde_saphyr::to_string(&definition)?.trim_end()
        )?;
    }
    Ok(output.flush()?)
}
