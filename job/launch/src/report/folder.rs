//! The launcher's folder for reports, and what is left of those of killed launchers.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// How the names of such folders begin.
const PREFIX: &str = "splade-launch-";
/// A file that its launcher holds locked as long as it lives.
const LOCK: &str = "launcher.lock";

/// A private folder, which goes when this goes. That of a launcher which was killed is removed by the next one.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    /// Says that its launcher lives; None where the file system knows no locks.
    _lock: Option<File>,
}

impl Folder {
    /// A folder where `TMPDIR` says, else in memory where possible: ranks write at every step, and must not wait for a
    /// busy disk.
    pub(super) fn make() -> io::Result<Self> {
        let mut named = tempfile::Builder::new();
        let named = named.prefix(PREFIX);
        let folder = match std::env::var_os("TMPDIR") {
            Some(_) => named.tempdir()?,
            None => named.tempdir_in(MEMORY).or_else(|_| named.tempdir())?,
        };
        if let Some(parent) = folder.path().parent() {
            remove_abandoned(parent);
        }
        let lock = hold(folder.path()).inspect_err(
            |error| tracing::debug!(%error, "the folder for reports cannot be locked"),
        );
        Ok(Self {
            _lock: lock.ok(),
            folder,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Locks the folder. The file gets its name when it is locked, so that nobody finds it without.
fn hold(folder: &Path) -> io::Result<File> {
    let unnamed = folder.join("launcher.new");
    let file = File::create(&unnamed)?;
    file.try_lock()?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(file)
}

/// Removes the folders there whose launchers are gone. What cannot be removed, such as somebody else's, stays.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for folder in entries.filter_map(Result::ok).filter_map(is_ours) {
        // The lock is held until the folder is gone, so that two launchers do not remove it at once.
        let Ok(lock) = File::open(folder.join(LOCK)) else {
            continue;
        };
        let removed = match lock.try_lock() {
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => fs::remove_dir_all(&folder),
        };
        if let Err(error) = removed {
            tracing::debug!(%error, folder = %folder.display(), "the folder of a killed launcher is left");
        }
    }
}

fn is_ours(entry: fs::DirEntry) -> Option<PathBuf> {
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
    (is_folder && is_named_so).then(|| entry.path())
}
