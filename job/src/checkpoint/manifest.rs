//! The list of a folder's files with their sizes and digests, written last.

use super::CheckpointError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

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
            if Path::new(name)
                .file_name()
                .is_none_or(|only| only != name.as_str())
            {
                return Err(CheckpointError::content(
                    &path,
                    format!("{name:?} is not a plain file name"),
                ));
            }
        }
        Ok(manifest)
    }

    /// One digest for all files: SHA-256 over the manifest.
    ///
    /// # Errors
    /// None in practice: a manifest always serialises.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        Ok(hex(&Sha256::digest(serde_json::to_vec(self)?)))
    }
}

impl Entry {
    fn of(path: &Path) -> Result<Self, CheckpointError> {
        let mut digest = Sha256::new();
        let mut bytes = 0;
        let mut read = || -> std::io::Result<()> {
            let mut file = File::open(path)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    return Ok(());
                }
                bytes += count as u64;
                digest.update(&buffer[..count]);
            }
        };
        read().map_err(|error| CheckpointError::io(path, error))?;
        Ok(Self {
            bytes,
            sha256: hex(&digest.finalize()),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
