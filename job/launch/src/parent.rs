//! A rank never outlives its launcher.

use crate::environment::LAUNCHER_PID;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// A rank whose launcher is gone.
#[derive(Debug, thiserror::Error)]
pub enum OrphanError {
    /// The launcher died before the rank could tie itself to it.
    #[error(
        "the launcher (process {launcher}) that started this rank is gone; start the launcher again"
    )]
    LauncherGone {
        /// What the environment says of it.
        launcher: String,
    },
    /// The kernel does not tie the rank to its launcher.
    #[error("cannot tie this rank to its launcher: {0}")]
    Refused(std::io::Error),
}

/// Has the kernel kill this process when the launcher that started it ends, however that ends. To be called first of
/// all by a rank; does nothing in a process that no launcher started. A child of a rank, should it have any, is not
/// covered.
///
/// The kernel watches the launcher's thread that started the rank, which is why [`launch`](crate::launch()) belongs on
/// a main thread.
///
/// # Errors
/// The launcher is gone already, or the kernel refuses.
pub fn die_with_parent() -> Result<(), OrphanError> {
    let Some(launcher) = std::env::var_os(LAUNCHER_PID) else {
        return Ok(());
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| OrphanError::Refused(error.into()))?;
    // The launcher may have died before this; then the parent is another process by now.
    let launcher = launcher.to_string_lossy();
    let parent = getppid().map(|parent| parent.as_raw_nonzero().to_string());
    if parent.as_deref() == Some(&*launcher) {
        Ok(())
    } else {
        Err(OrphanError::LauncherGone {
            launcher: launcher.into_owned(),
        })
    }
}
