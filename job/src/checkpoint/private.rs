//! Folders of this machine that belong to one process each.

use super::CheckpointError;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// What the file beside a folder ends in that its owner keeps locked.
const LOCK: &str = "lock";
/// Tries at a new lock, which who clears up may take for a dead one in the moment before it is held.
const TRIES: usize = 16;

/// A folder that nobody but its maker writes to. It goes with this value, and that of a process that was killed goes
/// when the next one is made beside it: the lock tells which is which.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    path: PathBuf,
    /// Its removal, after the folder's, is what lets go of the lock.
    _lock: NamedTempFile,
}

impl PrivateFolder {
    /// A new one below `scratch`, with a name that begins with `prefix`.
    pub(super) fn make(scratch: &Path, prefix: &str) -> Result<Self, CheckpointError> {
        let made = fs::create_dir_all(scratch)
            .and_then(|()| remove_abandoned(scratch))
            .and_then(|()| new_lock(scratch, prefix));
        let lock = made.map_err(|error| CheckpointError::io(scratch, error))?;
        let path = lock.path().with_extension("");
        fs::create_dir(&path).map_err(|error| CheckpointError::io(&path, error))?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        if let Err(error) = remove_folder(&self.path) {
            tracing::warn!(%error, "{} is left behind", self.path.display());
        }
    }
}

/// Removes a folder, if it is there.
pub(super) fn remove_folder(folder: &Path) -> io::Result<()> {
    unless_gone(fs::remove_dir_all(folder))
}

/// A file that stays locked as long as the result lives. Where the file system knows no locks it is as good: nobody
/// there takes anything for abandoned.
fn new_lock(scratch: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    for _ in 0..TRIES {
        let lock = tempfile::Builder::new()
            .prefix(prefix)
            .suffix(&format!(".{LOCK}"))
            .tempfile_in(scratch)?;
        match lock.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => {}
            _ if is_at(lock.as_file(), lock.path()) => return Ok(lock),
            _ => {}
        }
    }
    Err(io::Error::new(
        ErrorKind::ResourceBusy,
        "other processes remove every lock that is made here",
    ))
}

/// Whether an open file is still the one under its name.
fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => identity(open) == identity(named),
        _ => false,
    }
}

/// Removes the folders whose owners are gone. What cannot be removed stays: it is in nobody's way.
fn remove_abandoned(scratch: &Path) -> io::Result<()> {
    for entry in fs::read_dir(scratch)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != LOCK) {
            continue;
        }
        let Ok(lock) = File::open(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            // The lock goes last: what is interrupted here is taken up by the next.
            let removed = remove_folder(&path.with_extension(""))
                .and_then(|()| unless_gone(fs::remove_file(&path)));
            if let Err(error) = removed {
                tracing::warn!(%error, "what {} belonged to stays behind", path.display());
            }
        }
    }
    Ok(())
}

fn unless_gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_the_living_hold_stays_and_what_the_dead_left_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let living = PrivateFolder::make(scratch.path(), "attempt-").unwrap();
        fs::write(living.path().join("weights"), "mine").unwrap();
        // As a killed process leaves it: the files are there, and nobody holds the lock.
        let dead = scratch.path().join("attempt-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("weights"), "whose").unwrap();
        fs::write(dead.with_extension(LOCK), "").unwrap();
        fs::create_dir(scratch.path().join("somebody-elses")).unwrap();

        let other = PrivateFolder::make(scratch.path(), "attempt-").unwrap();
        assert_ne!(other.path(), living.path());
        assert!(!dead.exists() && !dead.with_extension(LOCK).exists());
        assert_eq!(fs::read(living.path().join("weights")).unwrap(), b"mine");

        drop((living, other));
        assert_eq!(names(scratch.path()), ["somebody-elses"]);
    }

    #[test]
    fn makers_at_the_same_moment_all_have_a_folder_of_their_own() {
        let scratch = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let folder = PrivateFolder::make(scratch.path(), "attempt-").unwrap();
                        let file = folder.path().join("weights");
                        assert!(!file.exists());
                        fs::write(&file, "mine").unwrap();
                    }
                });
            }
        });
        assert!(names(scratch.path()).is_empty());
    }
}
