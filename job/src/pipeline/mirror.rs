//! What lies in object storage, on this machine: inputs are brought here before a phase, results taken there after it.

use crate::checkpoint::Manifest;
use splade_storage::{
    Bounds, Location, S3Settings, StorageError, fetch_folder, fetch_matching, open, put_folder,
};
use std::path::{Path, PathBuf};

/// More than any model, data set or export has.
const BOUNDS: Bounds = Bounds {
    objects: 100_000,
    bytes: 4 << 40,
};

/// Something that a phase reads from object storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The field of the manifest that names it.
    pub field: String,
    /// Its place there, `s3://...`.
    pub uri: String,
    /// What it is.
    pub kind: FetchKind,
}

/// What is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// A folder, which must be there.
    Folder,
    /// A folder that an earlier run may have left.
    FolderIfPresent,
    /// The files that a glob matches.
    Matching,
}

/// Where what lies at `s3://bucket/key` is found on this machine: below the folder for temporary files, `TMPDIR`.
pub(super) fn place(uri: &str) -> PathBuf {
    mirror().join(uri.trim_start_matches("s3://").trim_end_matches('/'))
}

fn mirror() -> PathBuf {
    std::env::temp_dir().join("splade-job").join("s3")
}

/// Something in object storage that cannot be had or put there.
#[derive(Debug, thiserror::Error)]
#[error("{field}, {uri}: {source}")]
pub struct MirrorError {
    /// The field of the manifest that names it.
    pub field: String,
    /// Its place.
    pub uri: String,
    /// What the storage says.
    pub source: Box<StorageError>,
}

/// Brings everything here that is not here yet.
///
/// # Errors
/// What is missing, or storage that fails.
pub fn fetch(fetches: &[Fetch]) -> Result<(), MirrorError> {
    for Fetch { field, uri, kind } in fetches {
        match kind {
            FetchKind::FolderIfPresent => {
                tracing::info!(%uri, "looking for what an earlier run has left")
            }
            FetchKind::Folder | FetchKind::Matching => tracing::info!(%uri, "fetching"),
        }
        let fetched = match kind {
            FetchKind::Matching => fetch_files(uri),
            FetchKind::Folder => fetch_one_folder(uri),
            FetchKind::FolderIfPresent => match fetch_one_folder(uri) {
                Err(StorageError::NotFound { .. }) => forget(&place(uri)),
                fetched => fetched,
            },
        };
        fetched.map_err(|source| MirrorError {
            field: field.clone(),
            uri: uri.clone(),
            source: source.into(),
        })?;
    }
    Ok(())
}

fn fetch_one_folder(uri: &str) -> Result<(), StorageError> {
    let storage = open(&uri.parse()?, &S3Settings::from_environment()?)?;
    fetch_folder(storage.as_ref(), &place(uri), BOUNDS).map(drop)
}

/// Removes the copy of what is no longer in object storage: it would pass for what an earlier run has left there.
fn forget(copy: &Path) -> Result<(), StorageError> {
    match std::fs::remove_dir_all(copy) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(|source| StorageError::Io {
            path: copy.to_owned(),
            source,
        }),
    }
}

/// Files that matched once and no longer do are removed: they would be trained on again.
fn fetch_files(uri: &str) -> Result<(), StorageError> {
    let matching = fetch_matching(uri, &mirror(), &S3Settings::from_environment()?, BOUNDS)?;
    let pattern = place(uri);
    let here = glob::glob(&pattern.to_string_lossy()).map_err(|error| StorageError::Pattern {
        pattern: uri.to_owned(),
        reason: error.to_string(),
    })?;
    for path in here.filter_map(Result::ok) {
        if !matching.contains(&path) {
            std::fs::remove_file(&path).map_err(|source| StorageError::Io { path, source })?;
        }
    }
    Ok(())
}

/// Puts a file of a folder to its place below that folder's own in object storage.
///
/// # Errors
/// Storage that fails.
pub(super) fn publish_file(
    folder: &Path,
    key: &str,
    location: &Location,
) -> Result<(), MirrorError> {
    let put = || {
        let storage = open(location, &S3Settings::from_environment()?)?;
        storage.put_file(key, &folder.join(key)).map(drop)
    };
    put().map_err(|source| MirrorError {
        field: "the report beside the model".to_owned(),
        uri: format!("{location}/{key}"),
        source: source.into(),
    })
}

/// Takes a sealed folder to its place in object storage, unless it is there already: its manifest goes first, when
/// there is an earlier one, and comes last.
///
/// # Errors
/// Storage that fails.
pub(super) fn publish(folder: &Path, location: &Location) -> Result<(), MirrorError> {
    let put = || {
        let storage = open(location, &S3Settings::from_environment()?)?;
        let manifest = folder.join(Manifest::FILE);
        let here = std::fs::read(&manifest).map_err(|source| StorageError::Io {
            path: manifest,
            source,
        })?;
        match storage.get_bytes(Manifest::FILE, Manifest::MAX_BYTES) {
            Ok(there) if there == here => return Ok(0),
            Err(StorageError::NotFound { .. }) => {}
            there => drop(there?),
        }
        storage.delete(&[Manifest::FILE])?;
        put_folder(folder, storage.as_ref(), Manifest::FILE, BOUNDS)
    };
    let files = put().map_err(|source| MirrorError {
        field: "spec.export.uri".to_owned(),
        uri: location.to_string(),
        source: source.into(),
    })?;
    if files > 0 {
        tracing::info!(files, place = %location, "published");
    }
    Ok(())
}
