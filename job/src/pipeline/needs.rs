//! What a training and the phases after it need on this machine, looked at before the first step: what is found wrong
//! after it has cost the whole training.

use super::run::Phases;
use crate::export::{ExportError, check_place};
use splade_retrieval::Dataset;
use splade_retrieval::beir::BeirError;
use std::path::{Path, PathBuf};

/// Something that a resource needs on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The resource.
    pub resource: String,
    /// The field of the manifest that names it.
    pub field: String,
    /// What it is.
    pub kind: NeedKind,
}

/// What is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// A folder to read.
    Input(PathBuf),
    /// A split of a BEIR folder. The field is the data set, which has `uri` and `split`.
    Split {
        /// The folder.
        folder: PathBuf,
        /// The split.
        split: String,
    },
    /// A folder to write to, which need not exist.
    Output(PathBuf),
    /// A folder that an export may take the place of.
    Export(PathBuf),
}

/// Something that a resource needs and does not have.
#[derive(Debug, thiserror::Error)]
#[error("{resource}, {field}: {lack}")]
pub struct NeedError {
    /// The resource.
    pub resource: String,
    /// The field to correct.
    pub field: String,
    /// What is wrong.
    pub lack: Box<Lack>,
}

/// Why a need is not met.
#[derive(Debug, thiserror::Error)]
pub enum Lack {
    /// A folder to read is not there.
    #[error("there is no folder {}", .0.display())]
    Input(PathBuf),
    /// A data set is not there, or has no such split.
    #[error(transparent)]
    Dataset(#[from] BeirError),
    /// A folder to write to is not there and cannot be made.
    #[error("{} cannot be made: {source}", folder.display())]
    Output {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No export can go there.
    #[error(transparent)]
    Export(#[from] ExportError),
}

/// Looks whether everything is there that these phases need, and makes the folders to write to.
///
/// # Errors
/// The first thing that is not.
pub(super) fn check(needs: &[Need], phases: Phases) -> Result<(), NeedError> {
    needs.iter().try_for_each(|need| {
        let met = match &need.kind {
            NeedKind::Input(folder) if folder.is_dir() => Ok(()),
            NeedKind::Input(folder) => Err(Lack::Input(folder.clone())),
            NeedKind::Split { folder, split } => Dataset::look(folder, split).map_err(Lack::from),
            NeedKind::Output(folder) => make(folder),
            NeedKind::Export(_) if !phases.export => Ok(()),
            NeedKind::Export(folder) => check_place(folder).map_err(Lack::from),
        };
        met.map_err(|lack| NeedError {
            resource: need.resource.clone(),
            field: need.field_of(&lack),
            lack: lack.into(),
        })
    })
}

impl Need {
    fn field_of(&self, lack: &Lack) -> String {
        match lack {
            Lack::Dataset(BeirError::UnknownSplit { .. }) => format!("{}.split", self.field),
            Lack::Dataset(_) => format!("{}.uri", self.field),
            _ => self.field.clone(),
        }
    }
}

fn make(folder: &Path) -> Result<(), Lack> {
    std::fs::create_dir_all(folder).map_err(|source| Lack::Output {
        folder: folder.to_owned(),
        source,
    })
}
