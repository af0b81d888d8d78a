//! The files below a folder, as objects.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use walkdir::WalkDir;

use crate::key::{Key, RESERVED};
use crate::{Object, StorageError};

/// The files below a folder at any depth, links followed, by key relative to it, at most `limit` of them.
/// None where there is no such folder. The storage's own files are none.
pub(crate) fn below(folder: &Path, limit: usize) -> Result<Vec<Object>, StorageError> {
    let is_own = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(RESERVED);
    let walk = WalkDir::new(folder)
        .follow_links(true)
        .min_depth(1)
        .into_iter()
        .filter_entry(|entry| !is_own(entry.file_name()));
    let mut objects = Vec::new();
    for entry in walk {
        let metadata = entry.and_then(|entry| entry.metadata().map(|metadata| (entry, metadata)));
        let (entry, metadata) = match metadata {
            Ok((entry, metadata)) => (entry, metadata),
            Err(error) if has_gone(&error) => continue,
            Err(error) => return Err(unreadable(folder, error)),
        };
        if metadata.is_dir() {
            continue;
        }
        if objects.len() == limit {
            return Err(StorageError::TooMany {
                place: folder.display().to_string(),
                limit,
            });
        }
        objects.push(Object {
            key: key_of(folder, entry.path())?,
            bytes: metadata.len(),
            version: version(&metadata).map_err(StorageError::io(entry.path()))?,
        });
    }
    objects.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(objects)
}

/// What changes when a file does: its time of change, to the nanosecond.
pub(crate) fn version(metadata: &Metadata) -> io::Result<String> {
    let modified = metadata.modified()?;
    let signed = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => format!("{}", after.as_nanos()),
        Err(before) => format!("-{}", before.duration().as_nanos()),
    };
    Ok(signed)
}

fn key_of(folder: &Path, path: &Path) -> Result<String, StorageError> {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    let text = relative.to_str().ok_or_else(|| StorageError::Key {
        key: relative.to_string_lossy().into_owned(),
        place: folder.display().to_string(),
        reason: "it is not UTF-8",
    })?;
    Ok(Key::new(text, folder.display())?.as_str().to_owned())
}

/// Whether an entry was removed while the folder was read, or the folder is not there at all. A link to nowhere
/// is neither.
fn has_gone(error: &walkdir::Error) -> bool {
    error.io_error().map(io::Error::kind) == Some(io::ErrorKind::NotFound)
        && error.path().is_none_or(|path| !path.is_symlink())
}

fn unreadable(folder: &Path, error: walkdir::Error) -> StorageError {
    let path: PathBuf = error.path().unwrap_or(folder).to_owned();
    StorageError::Io {
        path,
        source: error.into(),
    }
}
