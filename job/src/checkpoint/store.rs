//! Where checkpoints lie: finding the newest whole one, adding one, letting old ones go.

use super::{CheckpointError, Manifest};
use crate::model::{Parameters, StoredKind, read_safetensors, write_safetensors};
use crate::optimizer::Optimizer;
use serde::{Serialize, de::DeserializeOwned};
use std::fs;
use std::path::{Path, PathBuf};

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer-00000.safetensors";
const STATE: &str = "state.json";

/// The folder of a training's checkpoints.
#[derive(Debug)]
pub struct CheckpointStore {
    folder: PathBuf,
}

/// One start of a training, which writes under a prefix of its own.
#[derive(Debug)]
pub struct Attempt {
    number: u32,
    folder: PathBuf,
    keep_last: usize,
}

/// A whole checkpoint.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub folder: PathBuf,
    /// Optimizer steps behind it.
    pub step: u64,
    /// Start of the training that wrote it, from 1.
    pub attempt: u32,
}

impl CheckpointStore {
    /// The store in `folder`, which need not exist yet.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The newest whole checkpoint over all attempts. Damaged ones are passed over with a warning.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn newest(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let mut found = self.list()?;
        found.sort_by_key(|checkpoint| std::cmp::Reverse((checkpoint.step, checkpoint.attempt)));
        for checkpoint in found {
            match Manifest::verify(&checkpoint.folder) {
                Ok(_) => return Ok(Some(checkpoint)),
                Err(error) => {
                    tracing::warn!(%error, checkpoint = %checkpoint.folder.display(), "passing over a checkpoint that is not whole")
                }
            }
        }
        Ok(None)
    }

    /// Opens the next attempt, numbered after all that exist.
    ///
    /// # Errors
    /// What the file system says.
    pub fn begin_attempt(&self, keep_last: usize) -> Result<Attempt, CheckpointError> {
        let last = self
            .attempts()?
            .into_iter()
            .map(|(number, _)| number)
            .max()
            .unwrap_or(0);
        let number = last + 1;
        let folder = self.folder.join(format!("attempt-{number:04}"));
        fs::create_dir_all(&folder).map_err(|error| CheckpointError::io(&folder, error))?;
        Ok(Attempt {
            number,
            folder,
            keep_last,
        })
    }

    fn attempts(&self) -> Result<Vec<(u32, PathBuf)>, CheckpointError> {
        numbered(&self.folder, "attempt-")
    }

    fn list(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        let mut all = Vec::new();
        for (attempt, folder) in self.attempts()? {
            for (step, folder) in numbered(&folder, "step-")? {
                all.push(Checkpoint {
                    folder,
                    step,
                    attempt,
                });
            }
        }
        Ok(all)
    }
}

impl Attempt {
    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The folder of the checkpoint after `step` optimizer steps.
    pub fn place(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}"))
    }

    /// Where this attempt writes, logs as well as checkpoints.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a checkpoint and then lets go of the oldest beyond `keep_last`, those of earlier attempts included.
    ///
    /// # Errors
    /// What the file system says; the checkpoint then does not exist, and older ones are untouched.
    pub fn save(
        &self,
        step: u64,
        parameters: &Parameters,
        optimizer: &Optimizer,
        state: &impl Serialize,
    ) -> Result<Checkpoint, CheckpointError> {
        let folder = self.place(step);
        let io = |error| CheckpointError::io(&folder, error);
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(io)?;
        }
        fs::create_dir(&folder).map_err(io)?;
        if let Err(error) = write(&folder, parameters, optimizer, state) {
            // What a full disk left half-written must not keep it full; the reason to report is the first error.
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
        self.make_durable()?;
        self.let_go()?;
        Ok(Checkpoint {
            folder,
            step,
            attempt: self.number,
        })
    }

    /// Flushes the entries of the folders above a checkpoint: before that, older ones must stay.
    fn make_durable(&self) -> Result<(), CheckpointError> {
        for folder in [Some(self.folder.as_path()), self.folder.parent()]
            .into_iter()
            .flatten()
        {
            fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| CheckpointError::io(folder, error))?;
        }
        Ok(())
    }

    /// Keeps the newest `keep_last` of this attempt, filled up with the newest of earlier ones, and removes the
    /// rest together with what killed attempts left half-written. Later attempts are never touched.
    fn let_go(&self) -> Result<(), CheckpointError> {
        let store = self.folder.parent().unwrap_or(Path::new("."));
        let mut all = CheckpointStore::new(store).list()?;
        all.retain(|checkpoint| checkpoint.attempt <= self.number);
        // Own ones first: an earlier attempt may have gone further, and be what this one could not continue from.
        all.sort_by_key(|checkpoint| std::cmp::Reverse((checkpoint.attempt, checkpoint.step)));
        let (whole, torn): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|checkpoint| checkpoint.folder.join(Manifest::FILE).exists());
        for checkpoint in whole.iter().skip(self.keep_last.max(1)).chain(&torn) {
            remove(&checkpoint.folder)?;
        }
        Ok(())
    }
}

fn write(
    folder: &Path,
    parameters: &Parameters,
    optimizer: &Optimizer,
    state: &impl Serialize,
) -> Result<(), CheckpointError> {
    let model = parameters
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor));
    write_safetensors(&folder.join(MODEL), model, StoredKind::Float)?;
    write_safetensors(
        &folder.join(OPTIMIZER),
        optimizer.state(),
        StoredKind::Float,
    )?;
    let text = serde_json::to_vec_pretty(state)
        .map_err(|error| CheckpointError::content(folder, error))?;
    let path = folder.join(STATE);
    fs::write(&path, text).map_err(|error| CheckpointError::io(&path, error))?;
    Manifest::seal(folder, &[MODEL, OPTIMIZER, STATE])?;
    Ok(())
}

fn remove(folder: &Path) -> Result<(), CheckpointError> {
    // Without its manifest it no longer exists, whatever happens to the rest.
    for removed in [
        fs::remove_file(folder.join(Manifest::FILE)),
        fs::remove_dir_all(folder),
    ] {
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CheckpointError::io(folder, error));
            }
            _ => {}
        }
    }
    Ok(())
}

impl Checkpoint {
    /// The run's own state, as it was given to [`Attempt::save`].
    ///
    /// # Errors
    /// A state of another shape.
    pub fn state<S: DeserializeOwned>(&self) -> Result<S, CheckpointError> {
        let path = self.folder.join(STATE);
        let text = fs::read(&path).map_err(|error| CheckpointError::io(&path, error))?;
        serde_json::from_slice(&text).map_err(|error| CheckpointError::content(&path, error))
    }

    /// SHA-256 of the file that holds the weights.
    ///
    /// # Errors
    /// A manifest that has gone or changed since the checkpoint was found.
    pub fn weights_sha256(&self) -> Result<String, CheckpointError> {
        let manifest = Manifest::read(&self.folder)?;
        let digest = manifest.sha256(MODEL).map(str::to_owned);
        digest
            .ok_or_else(|| CheckpointError::content(&self.folder, "the manifest lacks the weights"))
    }

    /// Puts the weights back.
    ///
    /// # Errors
    /// Weights of another model.
    pub fn restore_model(&self, parameters: &Parameters) -> Result<(), CheckpointError> {
        Ok(parameters.restore(&self.folder.join(MODEL))?)
    }

    /// Puts the optimizer's moments back.
    ///
    /// # Errors
    /// Moments of another model.
    pub fn restore_optimizer(&self, optimizer: &mut Optimizer) -> Result<(), CheckpointError> {
        let path = self.folder.join(OPTIMIZER);
        let stored = read_safetensors(&path)?;
        optimizer
            .restore(stored, self.step)
            .map_err(|error| CheckpointError::content(&path, error))
    }
}

/// Folders of `folder` named `<prefix><number>`; none where the folder does not exist.
fn numbered<N: std::str::FromStr>(
    folder: &Path,
    prefix: &str,
) -> Result<Vec<(N, PathBuf)>, CheckpointError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| CheckpointError::io(folder, error))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| CheckpointError::io(folder, error))?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(prefix)?.parse().ok());
        if let Some(number) = number {
            found.push((number, entry.path()));
        }
    }
    Ok(found)
}
