//! The list of a folder's files with their sizes and digests, written last.

use super::CheckpointError;
use crate::digest::ContentDigest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::path::{Component, Path};

/// Version of the layout that this code writes and reads.
const FORMAT: u32 = 1;

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
    /// It names a handful of files; a larger one is none.
    pub const MAX_BYTES: u64 = 1 << 20;

    /// Digests these files of `folder`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn of(folder: &Path, names: &[&str]) -> Result<Self, CheckpointError> {
        let mut files = BTreeMap::new();
        for name in names {
            files.insert((*name).to_owned(), Entry::of(&folder.join(name))?);
        }
        Ok(Self {
            format: FORMAT,
            files,
        })
    }

    /// Digests these files of `folder`, flushes them and puts the manifest beside them: from then on they count.
    ///
    /// # Errors
    /// What the file system says.
    pub fn seal(folder: &Path, names: &[&str]) -> Result<Self, CheckpointError> {
        for name in names {
            let path = folder.join(name);
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(|error| CheckpointError::io(&path, error))?;
        }
        let manifest = Self::of(folder, names)?;
        let text = manifest.to_json()?;
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
        let path = folder.join(Self::FILE);
        let size = std::fs::metadata(&path)
            .map_err(|error| CheckpointError::io(&path, error))?
            .len();
        if size > Self::MAX_BYTES {
            return Err(CheckpointError::content(
                path.display(),
                format!("{size} bytes is too large for a manifest"),
            ));
        }
        let text = std::fs::read(&path).map_err(|error| CheckpointError::io(&path, error))?;
        let manifest = Self::parse(&text, path.display())?;
        manifest.compare(folder)?;
        Ok(manifest)
    }

    /// Compares every file of `folder` with this manifest.
    ///
    /// # Errors
    /// A file that is missing or differs.
    pub fn compare(&self, folder: &Path) -> Result<(), CheckpointError> {
        for (name, entry) in &self.files {
            let found = Entry::of(&folder.join(name))?;
            if found != *entry {
                let what = format!(
                    "differs from the manifest: {} bytes, {} expected",
                    found.bytes, entry.bytes
                );
                return Err(CheckpointError::content(folder.join(name).display(), what));
            }
        }
        Ok(())
    }

    /// The text of a manifest, which lies at `place`.
    ///
    /// # Errors
    /// No manifest, another format, or names that point out of its folder.
    pub fn parse(text: &[u8], place: impl Display) -> Result<Self, CheckpointError> {
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|error| CheckpointError::content(&place, error))?;
        if manifest.format != FORMAT {
            let what = format!(
                "format {} is not {FORMAT}, which this version reads",
                manifest.format
            );
            return Err(CheckpointError::content(&place, what));
        }
        match manifest.files.keys().find(|name| !is_inside(name)) {
            Some(name) => Err(CheckpointError::content(
                &place,
                format!("{name:?} points out of the folder"),
            )),
            None => Ok(manifest),
        }
    }

    /// The text that [`Manifest::parse`] reads.
    ///
    /// # Errors
    /// Never for names that are UTF-8, as all are.
    pub fn to_json(&self) -> Result<Vec<u8>, CheckpointError> {
        serde_json::to_vec_pretty(self).map_err(|error| CheckpointError::content(Self::FILE, error))
    }

    /// Names of the files, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Bytes of one of the files; None where the manifest does not name it.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.files.get(name).map(|entry| entry.bytes)
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
