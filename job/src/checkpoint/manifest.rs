//! The list of a folder's files with their sizes and digests, written last.

use super::CheckpointError;
use crate::digest::ContentDigest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path};

/// Version of the layout that this code writes and reads.
const FORMAT: u32 = 1;
/// A manifest names a handful of files.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// What a complete folder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    files: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    /// The name under which it lies in a folder.
    pub const FILE: &str = "MANIFEST.json";

    /// Digests these files of `folder`, flushes them and puts the manifest beside them: from then on they count.
    ///
    /// # Errors
    /// What the file system says.
    pub fn seal(folder: &Path, names: &[&str]) -> Result<Self, CheckpointError> {
        let mut files = BTreeMap::new();
        for name in names {
            let path = folder.join(name);
            let file = File::open(&path).map_err(|error| CheckpointError::io(&path, error))?;
            file.sync_all()
                .map_err(|error| CheckpointError::io(&path, error))?;
            files.insert((*name).to_owned(), Entry::of(&path)?);
        }
        let manifest = Self {
            format: FORMAT,
            files,
        };
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| CheckpointError::content(folder, error))?;
        let temporary = folder.join(".MANIFEST.json");
        let path = folder.join(Self::FILE);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&temporary)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&temporary, &path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|error| CheckpointError::io(&path, error))?;
        Ok(manifest)
    }

    /// Reads the manifest of `folder` and compares every file with it.
    ///
    /// # Errors
    /// No manifest, another format, or a file that is missing or differs.
    pub fn verify(folder: &Path) -> Result<Self, CheckpointError> {
        let manifest = Self::read(folder)?;
        for (name, entry) in &manifest.files {
            let found = Entry::of(&folder.join(name))?;
            if found != *entry {
                let what = format!(
                    "differs from the manifest: {} bytes, {} expected",
                    found.bytes, entry.bytes
                );
                return Err(CheckpointError::content(&folder.join(name), what));
            }
        }
        Ok(manifest)
    }

    /// Names of the files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reads the manifest of `folder` without comparing its files.
    ///
    /// # Errors
    /// No manifest, or another format.
    pub fn read(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join(Self::FILE);
        let size = std::fs::metadata(&path)
            .map_err(|error| CheckpointError::io(&path, error))?
            .len();
        if size > MAX_MANIFEST_BYTES {
            return Err(CheckpointError::content(
                &path,
                format!("{size} bytes is too large for a manifest"),
            ));
        }
        let text = std::fs::read(&path).map_err(|error| CheckpointError::io(&path, error))?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| CheckpointError::content(&path, error))?;
        if manifest.format != FORMAT {
            let what = format!(
                "format {} is not {FORMAT}, which this version reads",
                manifest.format
            );
            return Err(CheckpointError::content(&path, what));
        }
        for name in manifest.files.keys() {
            if !is_inside(name) {
                return Err(CheckpointError::content(
                    &path,
                    format!("{name:?} points out of the folder"),
                ));
            }
        }
        Ok(manifest)
    }

    /// SHA-256 of one of the files; None where the manifest does not name it.
    pub fn sha256(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|entry| entry.sha256.as_str())
    }
}

impl Entry {
    fn of(path: &Path) -> Result<Self, CheckpointError> {
        let mut digest = ContentDigest::default();
        let bytes = digest
            .add_file(path)
            .map_err(|error| CheckpointError::io(path, error))?;
        Ok(Self {
            bytes,
            sha256: digest.finish(),
        })
    }
}

/// Whether a name stays inside its folder: nothing but plain components.
fn is_inside(name: &str) -> bool {
    let path = Path::new(name);
    path.components().next().is_some()
        && path
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}
