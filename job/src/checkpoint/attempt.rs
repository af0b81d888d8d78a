//! One start of a training, which writes under a prefix of its own.

use super::private::{PrivateFolder, remove_folder};
use super::store::{FRESH, Name};
use super::{CheckpointError, CheckpointStore, Manifest, Snapshot};
use crate::checkpoint::snapshot::FILES;
use splade_storage::{Location, Storage};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More starts than ever begin at the same moment.
const MAX_CLAIMS: usize = 100;

/// Where an attempt starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Where an earlier one has stopped, if there is one.
    Continued,
    /// At step 0, whatever earlier ones have left: that is no part of the training any more.
    Fresh,
}

/// One start of a training.
#[derive(Debug)]
pub struct Attempt {
    store: CheckpointStore,
    number: u32,
    keep_last: usize,
    /// Where snapshots are written before they are stored: nobody else's, because starts may overlap.
    private: PrivateFolder,
    /// Where logs of this attempt grow.
    logs: PathBuf,
    companions: Vec<Companion>,
}

/// A folder of this machine whose files grow, such as logs, and are stored anew with every checkpoint.
#[derive(Debug)]
pub struct Companion {
    /// The folder.
    pub folder: PathBuf,
    /// Where its files go.
    pub storage: Arc<dyn Storage>,
    /// What their keys there begin with: empty, or a name and `/`.
    pub prefix: String,
}

impl Companion {
    fn store(&self) -> Result<(), CheckpointError> {
        let folder = &self.folder;
        for entry in fs::read_dir(folder).map_err(|error| CheckpointError::io(folder, error))? {
            let entry = entry.map_err(|error| CheckpointError::io(folder, error))?;
            let path = entry.path();
            if path.is_file() {
                let key = format!("{}{}", self.prefix, entry.file_name().to_string_lossy());
                // The file may grow in the meantime: what is stored is one moment of it.
                let moment = fs::read(&path).map_err(|error| CheckpointError::io(&path, error))?;
                self.storage.put_bytes(&key, moment)?;
            }
        }
        Ok(())
    }
}

impl Attempt {
    pub(super) fn begin(
        store: &CheckpointStore,
        keep_last: usize,
        start: Start,
    ) -> Result<Self, CheckpointError> {
        let begun = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "process": std::process::id(),
        });
        let number = claim_number(store, &begun)?;
        let name = format!("attempt-{number:04}");
        let private = PrivateFolder::make(&store.scratch, &format!("{name}-"))?;
        if start == Start::Fresh {
            let text = begun.to_string().into_bytes();
            store.storage.put_bytes(&format!("{name}/{FRESH}"), text)?;
        }
        let mut companions = Vec::new();
        let logs = match store.storage.location() {
            Location::Local(folder) => folder.join(&name),
            Location::S3(_) => {
                let logs = private.path().join("logs");
                fs::create_dir(&logs).map_err(|error| CheckpointError::io(&logs, error))?;
                companions.push(Companion {
                    folder: logs.clone(),
                    storage: Arc::clone(&store.hasty),
                    prefix: format!("{name}/"),
                });
                logs
            }
        };
        Ok(Self {
            store: store.hasty(),
            number,
            keep_last,
            private,
            logs,
            companions,
        })
    }

    /// Where its checkpoint after `step` optimizer steps lies.
    pub fn place(&self, step: u64) -> String {
        let name = Name {
            step,
            attempt: self.number,
        };
        format!("{}/{name}", self.store.storage.location())
    }

    /// Its number, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The folder of this machine for its logs.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Stores these files with every checkpoint from now on.
    pub fn accompany(&mut self, companion: Companion) {
        self.companions.push(companion);
    }

    /// Stores a snapshot, its manifest last.
    ///
    /// # Errors
    /// Storage that fails; the checkpoint then does not exist, and older ones are untouched.
    pub fn store(&self, snapshot: &Snapshot) -> Result<(), CheckpointError> {
        let name = Name {
            step: snapshot.step,
            attempt: self.number,
        };
        let staging = self.private.path().join("staging");
        fs::create_dir_all(&staging).map_err(|error| CheckpointError::io(&staging, error))?;
        let stored = self.put(snapshot, name, &staging);
        // What a full disk left half-written must not keep it full; the reason to report is the first error.
        let removed = remove_folder(&staging);
        stored?;
        // From here on the checkpoint exists: what fails now must not have it stored again.
        if let Err(error) = removed {
            tracing::warn!(%error, "a copy of the checkpoint is left behind");
        }
        Ok(())
    }

    /// Lets go of the oldest checkpoints beyond `keep_last`, those of earlier attempts included, but never of the `best`
    /// one (attempt and step), and stores the logs. What fails is tried again after the next checkpoint.
    pub fn tidy(&self, best: Option<(u32, u64)>) {
        let keep = best.map(|(attempt, step)| Name { step, attempt });
        if let Err(error) = self.let_go(keep) {
            tracing::warn!(%error, "old checkpoints are not removed; the next one tries again");
            // Storage that does not answer would not take the logs either: they are stored with the next checkpoint.
            if matches!(&error, CheckpointError::Storage(error) if error.is_temporary()) {
                return;
            }
        }
        self.store_companions();
    }

    /// Stores the logs as they are now. Where that fails they are stored with the next checkpoint.
    pub fn store_companions(&self) {
        for companion in &self.companions {
            if let Err(error) = companion.store() {
                tracing::warn!(%error, "logs are not stored; the next checkpoint tries again");
                return;
            }
        }
    }

    fn put(&self, snapshot: &Snapshot, name: Name, staging: &Path) -> Result<(), CheckpointError> {
        let storage = &self.store.storage;
        let manifest = snapshot.write(staging)?;
        let manifest_key = format!("{name}/{}", Manifest::FILE);
        // Should this very step have been stored before, it must not vouch for what replaces it.
        storage.delete(&[&manifest_key])?;
        for file in FILES {
            let sent = storage.put_file(&format!("{name}/{file}"), &staging.join(file))?;
            if manifest.sha256(file) != Some(sent.sha256.as_str()) {
                return Err(CheckpointError::content(
                    staging.join(file).display(),
                    "changed while it was stored",
                ));
            }
        }
        Ok(storage.put_bytes(&manifest_key, manifest.to_json()?)?)
    }

    /// Keeps the newest `keep_last` of this attempt, filled up with the newest of earlier ones, and removes the
    /// rest together with what killed attempts left half-written. Later attempts are never touched.
    fn let_go(&self, best: Option<Name>) -> Result<(), CheckpointError> {
        let mut all: Vec<_> = self.store.list_all()?.0.into_iter().collect();
        all.retain(|(name, _)| name.attempt <= self.number);
        all.sort_by_key(|(name, _)| std::cmp::Reverse(*name));
        let (whole, torn): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(_, files)| files.contains_key(Manifest::FILE));
        let old = whole.iter().skip(self.keep_last.max(1));
        for (name, files) in old.chain(&torn) {
            if Some(*name) == best {
                continue;
            }
            // Without its manifest it no longer exists, whatever happens to the rest.
            let manifest = format!("{name}/{}", Manifest::FILE);
            self.store.storage.delete(&[&manifest])?;
            let rest: Vec<String> = files.keys().map(|file| format!("{name}/{file}")).collect();
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            self.store.storage.delete(&rest)?;
        }
        Ok(())
    }
}

/// Takes the first number after all that exist. Two starts never take the same one, even where they start at the same
/// moment or the first leaves before its first checkpoint.
fn claim_number(
    store: &CheckpointStore,
    begun: &serde_json::Value,
) -> Result<u32, CheckpointError> {
    let newest = store.attempts()?.into_iter().max().unwrap_or(0);
    for number in (newest..u32::MAX).take(MAX_CLAIMS).map(|before| before + 1) {
        let key = format!("attempt-{number:04}/begun.json");
        let text = begun.to_string().into_bytes();
        if store.storage.put_new(&key, text)? {
            return Ok(number);
        }
        tracing::info!(number, "another start has taken this attempt");
    }
    Err(CheckpointError::Contended {
        place: store.storage.location().to_string(),
        claims: MAX_CLAIMS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::troubled::Troubled;
    use std::collections::BTreeSet;

    #[test]
    fn starts_at_the_same_moment_take_different_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Local(folder.path().join("checkpoints"));
        let numbers: BTreeSet<u32> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..6)
                .map(|start| {
                    let scratch = folder.path().join(format!("scratch-{start}"));
                    let store = CheckpointStore::open(&location, &scratch).unwrap();
                    scope.spawn(move || store.begin_attempt(1, Start::Continued).unwrap().number())
                })
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert_eq!(numbers, (1..=6).collect());
    }

    #[test]
    fn a_start_that_others_always_precede_gives_up() {
        let folder = tempfile::tempdir().unwrap();
        let (store, troubled) = Troubled::store(folder.path());
        troubled.contend();
        let begun = store.begin_attempt(1, Start::Continued);
        let Err(CheckpointError::Contended { claims, .. }) = begun else {
            panic!("{begun:?}");
        };
        assert_eq!(claims, MAX_CLAIMS);
    }

    #[test]
    fn tidying_never_changes_which_checkpoint_is_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Local(folder.path().join("checkpoints"));
        let store = CheckpointStore::open(&location, &folder.path().join("scratch")).unwrap();
        let begin = || store.begin_attempt(1, Start::Continued).unwrap();
        let newest = || store.newest().unwrap().unwrap().place();
        // The first goes on while the second, which could not continue from it, has begun at an earlier step.
        let (first, second) = (begin(), begin());
        for (attempt, step) in [(&first, 10), (&second, 4), (&first, 12), (&second, 6)] {
            attempt.store(&Snapshot::without_tensors(step)).unwrap();
            let before = newest();
            attempt.tidy(None);
            assert_eq!(newest(), before);
        }
        assert_eq!(newest(), second.place(6));
    }
}
