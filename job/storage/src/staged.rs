//! Files that appear under their name whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;
use walkdir::WalkDir;

use crate::StorageError;

/// What a file is called until it is whole.
const PREFIX: &str = ".splade-part-";
/// A file that nobody has written to or locked for so long has lost its writer.
const ABANDONED: Duration = Duration::from_secs(60);
/// Tries at a folder that another process may remove at the same time, because it found it empty.
const TRIES: usize = 5;

/// A file on its way to its name. Dropped before [`Staged::commit`] it leaves nothing.
#[derive(Debug)]
pub(crate) struct Staged {
    file: NamedTempFile,
    path: PathBuf,
}

impl Staged {
    /// Begins the file that will be `path`, in the same folder, which is made where there is none.
    pub(crate) fn begin(path: &Path) -> Result<Self, StorageError> {
        let folder = folder_of(path);
        let mut tries = 0;
        let file = loop {
            create_folder(folder).map_err(StorageError::io(folder))?;
            tries += 1;
            match part_in(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {}
                made => break made.map_err(StorageError::io(folder))?,
            }
        };
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let written = self.file.as_file_mut().write_all(bytes);
        written.map_err(StorageError::io(&self.path))
    }

    /// Forgets what was written.
    pub(crate) fn restart(&mut self) -> Result<(), StorageError> {
        let file = self.file.as_file_mut();
        let emptied = file.set_len(0).and_then(|()| io::Seek::rewind(file));
        emptied.map_err(StorageError::io(&self.path))
    }

    /// Makes the file durable under its name.
    pub(crate) fn commit(self) -> Result<(), StorageError> {
        let path = self.path;
        let publish = |file: NamedTempFile| -> io::Result<()> {
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(folder_of(&path))?.sync_all()
        };
        publish(self.file).map_err(StorageError::io(&path))
    }

    /// Makes the file durable under its name where that is free, and tells whether it was.
    pub(crate) fn commit_new(self) -> Result<bool, StorageError> {
        let path = self.path;
        let publish = |file: NamedTempFile| -> io::Result<bool> {
            file.as_file().sync_all()?;
            match file.persist_noclobber(&path) {
                Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(false);
                }
                persisted => persisted?,
            };
            File::open(folder_of(&path))?.sync_all()?;
            Ok(true)
        };
        publish(self.file).map_err(StorageError::io(&path))
    }
}

fn part_in(folder: &Path) -> io::Result<NamedTempFile> {
    let file = tempfile::Builder::new()
        .prefix(PREFIX)
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    // The lock ends with the process: it tells a file with a writer from one without. Where the file system knows
    // no locks, nothing is ever taken for abandoned.
    let _ = file.as_file().lock();
    Ok(file)
}

/// Removes what killed processes left in a folder.
pub(crate) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Removes what killed processes left anywhere below a folder, and the folders that are empty then. What cannot be
/// removed stays: it is in nobody's way.
pub(crate) fn remove_abandoned_below(folder: &Path) {
    let left = WalkDir::new(folder)
        .contents_first(true)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    for entry in left {
        if is_abandoned(entry.path()) && fs::remove_file(entry.path()).is_ok() {
            let _ = fs::remove_dir(folder_of(entry.path()));
        }
    }
}

fn is_abandoned(path: &Path) -> bool {
    let Ok(file) = File::open(path) else {
        return false;
    };
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    let is_old = modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED));
    is_old && file.try_lock().is_ok()
}

/// Makes a folder and those above it, each durably.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder_of(folder);
    create_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(above)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
