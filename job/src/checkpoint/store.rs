//! Where checkpoints lie: finding the newest one, and putting it back.

use super::patience::REQUEST_DEADLINE;
use super::private::PrivateFolder;
use super::snapshot::{MODEL, OPTIMIZER, STATE};
use super::{Attempt, CheckpointError, Manifest, Start};
use crate::model::{Parameters, read_safetensors};
use crate::optimizer::Optimizer;
use serde::de::DeserializeOwned;
use splade_storage::{Location, Object, S3Settings, Storage, StorageError};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Marks an attempt with which the training starts over.
pub(super) const FRESH: &str = "fresh.json";
/// More objects than any training leaves behind.
const MAX_OBJECTS: usize = 1_000_000;
/// The recipe and some numbers.
const MAX_STATE_BYTES: u64 = 16 << 20;

/// The checkpoints of a training, over all its attempts.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    /// For what is asked once, such as which checkpoints there are: a request that fails ends the run.
    pub(super) storage: Arc<dyn Storage>,
    /// For what is stored beside the training.
    pub(super) hasty: Arc<dyn Storage>,
    pub(super) scratch: PathBuf,
}

/// Tries of a request by which something is stored beside the training.
const HASTY_ATTEMPTS: u32 = 4;

/// Opens the storage of what is stored beside the training, where the environment says how S3 is reached. It gives up on
/// a request sooner than others: whoever stores checkpoints tries again by itself.
///
/// # Errors
/// Settings that cannot work.
pub fn open_hasty(location: &Location) -> Result<Arc<dyn Storage>, CheckpointError> {
    let settings = S3Settings {
        attempts: HASTY_ATTEMPTS,
        ..settings()?
    };
    Ok(splade_storage::open(location, &settings)?)
}

fn settings() -> Result<S3Settings, CheckpointError> {
    Ok(S3Settings {
        deadline: REQUEST_DEADLINE,
        ..S3Settings::from_environment()?
    })
}

/// Which checkpoint of a training. The newer is the greater: that of a later attempt, also where an earlier one has gone
/// further, which may be what the later one could not continue from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) attempt: u32,
    pub(super) step: u64,
}

/// A checkpoint that has its manifest and every file in the size that it names.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    store: CheckpointStore,
    name: Name,
    manifest: Manifest,
}

/// A checkpoint on this machine whose every byte has been compared with the manifest.
#[derive(Debug)]
pub struct WholeCheckpoint {
    checkpoint: Checkpoint,
    folder: PathBuf,
    /// Holds the folder where it is a copy.
    _copy: Option<PrivateFolder>,
}

impl CheckpointStore {
    /// The store at a location, which need not exist yet. What is fetched from there lies below `scratch` for a time.
    ///
    /// # Errors
    /// Settings of the storage that cannot work.
    pub fn open(location: &Location, scratch: &Path) -> Result<Self, CheckpointError> {
        Ok(Self {
            storage: splade_storage::open(location, &settings()?)?,
            hasty: open_hasty(location)?,
            scratch: scratch.to_owned(),
        })
    }

    /// The same for what happens beside the training.
    pub(super) fn hasty(&self) -> Self {
        Self {
            storage: Arc::clone(&self.hasty),
            ..self.clone()
        }
    }

    /// The newest checkpoint over all attempts, going by its manifest and sizes alone.
    ///
    /// # Errors
    /// Storage that fails.
    pub fn newest(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        for (name, sizes) in self.list()?.into_iter().rev() {
            if let Some(checkpoint) = self.checkpoint(name, &sizes)? {
                return Ok(Some(checkpoint));
            }
        }
        Ok(None)
    }

    /// The newest checkpoint over all attempts that is whole, fetched and compared byte for byte. Damaged ones are
    /// passed over with a warning.
    ///
    /// # Errors
    /// Storage that fails: a checkpoint that cannot be fetched for now is not passed over.
    pub fn newest_whole(&self) -> Result<Option<WholeCheckpoint>, CheckpointError> {
        for (name, sizes) in self.list()?.into_iter().rev() {
            let Some(checkpoint) = self.checkpoint(name, &sizes)? else {
                continue;
            };
            match checkpoint.whole() {
                Ok(whole) => return Ok(Some(whole)),
                Err(error) => pass_over(name, error)?,
            }
        }
        Ok(None)
    }

    /// The checkpoint of this step in this attempt; None where it is not whole, going by its manifest and sizes.
    ///
    /// # Errors
    /// Storage that fails.
    pub fn at(&self, attempt: u32, step: u64) -> Result<Option<Checkpoint>, CheckpointError> {
        let name = Name { step, attempt };
        match self.list()?.get(&name) {
            Some(sizes) => self.checkpoint(name, sizes),
            None => Ok(None),
        }
    }

    /// Opens the next attempt, numbered after all that exist, and marks it as begun.
    ///
    /// # Errors
    /// Storage that fails.
    pub fn begin_attempt(
        &self,
        keep_last: usize,
        start: Start,
    ) -> Result<Attempt, CheckpointError> {
        Attempt::begin(self, keep_last, start)
    }

    /// Sizes of the files of every checkpoint of the training, whole or not, by checkpoint from the oldest. What lies
    /// before the newest fresh start is no part of it.
    fn list(&self) -> Result<BTreeMap<Name, Sizes>, CheckpointError> {
        let (mut found, fresh) = self.list_all()?;
        found.retain(|name, _| name.attempt >= fresh);
        Ok(found)
    }

    /// As [`CheckpointStore::list`], with what lies before the newest fresh start, and the number of that attempt.
    pub(super) fn list_all(&self) -> Result<(BTreeMap<Name, Sizes>, u32), CheckpointError> {
        let mut found: BTreeMap<Name, Sizes> = BTreeMap::new();
        let mut fresh = 0;
        for Object { key, bytes, .. } in self.storage.list("", MAX_OBJECTS)? {
            if let Some((attempt, FRESH)) = key.split_once('/') {
                fresh = fresh.max(Name::attempt_of(attempt).unwrap_or(0));
            }
            if let Some((name, file)) = Name::of_key(&key) {
                found
                    .entry(name)
                    .or_default()
                    .insert(file.to_owned(), bytes);
            }
        }
        Ok((found, fresh))
    }

    /// Numbers of all attempts that have left something.
    pub(super) fn attempts(&self) -> Result<Vec<u32>, CheckpointError> {
        let objects = self.storage.list("", MAX_OBJECTS)?;
        let number = |key: &str| {
            let (attempt, _) = key.split_once('/')?;
            Name::attempt_of(attempt)
        };
        Ok(objects
            .iter()
            .filter_map(|object| number(&object.key))
            .collect())
    }

    fn checkpoint(&self, name: Name, sizes: &Sizes) -> Result<Option<Checkpoint>, CheckpointError> {
        if !sizes.contains_key(Manifest::FILE) {
            return Ok(None);
        }
        let key = format!("{name}/{}", Manifest::FILE);
        let read = self
            .storage
            .get_bytes(&key, Manifest::MAX_BYTES)
            .map_err(CheckpointError::from)
            .and_then(|text| Manifest::parse(&text, &key))
            .and_then(|manifest| {
                check_sizes(name, &manifest, sizes)?;
                Ok(manifest)
            });
        match read {
            Ok(manifest) => Ok(Some(Checkpoint {
                store: self.clone(),
                name,
                manifest,
            })),
            Err(error) => {
                pass_over(name, error)?;
                Ok(None)
            }
        }
    }
}

/// Bytes of the files of a checkpoint, by name.
type Sizes = BTreeMap<String, u64>;

fn check_sizes(name: Name, manifest: &Manifest, sizes: &Sizes) -> Result<(), CheckpointError> {
    for file in manifest.names() {
        let (found, expected) = (sizes.get(file).copied(), manifest.bytes(file));
        if found != expected {
            let found = found.map_or("is missing".to_owned(), |found| {
                format!("has {found} bytes")
            });
            let what = format!("{found}, {} expected", expected.unwrap_or(0));
            return Err(CheckpointError::content(format!("{name}/{file}"), what));
        }
    }
    Ok(())
}

/// Warns of a checkpoint that is not whole. What says nothing about the checkpoint, but only about the storage, is an
/// error: it must not make a run continue from an older one.
fn pass_over(name: Name, error: CheckpointError) -> Result<(), CheckpointError> {
    let is_damage = match &error {
        CheckpointError::Content { .. } => true,
        CheckpointError::Storage(error) => matches!(
            error,
            StorageError::NotFound { .. }
                | StorageError::Damaged { .. }
                | StorageError::TooLarge { .. }
        ),
        CheckpointError::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    };
    if !is_damage {
        return Err(error);
    }
    tracing::warn!(%error, checkpoint = %name, "passing over a checkpoint that is not whole");
    Ok(())
}

impl Name {
    fn attempt_of(folder: &str) -> Option<u32> {
        folder.strip_prefix("attempt-")?.parse().ok()
    }

    /// The checkpoint and file that a key stands for.
    fn of_key(key: &str) -> Option<(Self, &str)> {
        let (attempt, rest) = key.split_once('/')?;
        let (step, file) = rest.strip_prefix("step-")?.split_once('/')?;
        let name = Self {
            step: step.parse().ok()?,
            attempt: Self::attempt_of(attempt)?,
        };
        Some((name, file))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "attempt-{:04}/step-{:08}",
            self.attempt, self.step
        )
    }
}

impl Checkpoint {
    /// Where it lies.
    pub fn place(&self) -> String {
        format!("{}/{}", self.store.storage.location(), self.name)
    }

    /// Start of the training that wrote it.
    pub fn attempt(&self) -> u32 {
        self.name.attempt
    }

    /// Optimizer steps behind it.
    pub fn step(&self) -> u64 {
        self.name.step
    }

    /// The run's own state, as it was given to [`super::Snapshot::take`].
    ///
    /// # Errors
    /// Storage that fails, or a state of another shape.
    pub fn state<S: DeserializeOwned>(&self) -> Result<S, CheckpointError> {
        let key = format!("{}/{STATE}", self.name);
        let text = self.store.storage.get_bytes(&key, MAX_STATE_BYTES)?;
        serde_json::from_slice(&text).map_err(|error| CheckpointError::content(&key, error))
    }

    /// SHA-256 of the file that holds the weights.
    ///
    /// # Errors
    /// A manifest without weights.
    pub fn weights_sha256(&self) -> Result<String, CheckpointError> {
        let digest = self.manifest.sha256(MODEL).map(str::to_owned);
        digest.ok_or_else(|| CheckpointError::content(self.name, "the manifest lacks the weights"))
    }

    /// Brings every file to this machine and compares it with the manifest.
    ///
    /// # Errors
    /// Storage that fails, or a file that differs.
    pub fn whole(&self) -> Result<WholeCheckpoint, CheckpointError> {
        let (folder, copy) = match self.store.storage.location() {
            Location::Local(folder) => (folder.join(self.name.to_string()), None),
            Location::S3(_) => {
                let copy = self.fetch()?;
                (copy.path().to_owned(), Some(copy))
            }
        };
        self.manifest.compare(&folder)?;
        Ok(WholeCheckpoint {
            checkpoint: self.clone(),
            folder,
            _copy: copy,
        })
    }

    fn fetch(&self) -> Result<PrivateFolder, CheckpointError> {
        let copy = PrivateFolder::make(&self.store.scratch, "resume-")?;
        for file in self.manifest.names() {
            let key = format!("{}/{file}", self.name);
            self.store.storage.get_file(&key, &copy.path().join(file))?;
        }
        Ok(copy)
    }
}

impl WholeCheckpoint {
    /// What it is a copy of.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
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
        let stored = read_safetensors(&self.folder.join(OPTIMIZER))?;
        let place = self.checkpoint.place();
        optimizer
            .restore(stored)
            .map_err(|error| CheckpointError::content(place, error))
    }
}
