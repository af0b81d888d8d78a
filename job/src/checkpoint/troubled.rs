//! A real folder that at times does not answer, or answers too late.

use super::CheckpointStore;
use splade_storage::{Location, Object, Storage, StorageError, Transferred};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It fails after so long.
    Away(Duration),
    /// It is never answered.
    Hang,
}

/// A folder, and what happens to the next files that go there and to the next listings.
#[derive(Debug)]
pub(super) struct Troubled {
    folder: Arc<dyn Storage>,
    files: Mutex<VecDeque<Trouble>>,
    listings: Mutex<VecDeque<Trouble>>,
    /// Somebody else is always the first.
    is_contended: AtomicBool,
}

impl Troubled {
    /// A store of checkpoints in a folder without troubles so far.
    pub(super) fn store(folder: &Path) -> (CheckpointStore, Arc<Self>) {
        let location = Location::Local(folder.join("checkpoints"));
        let troubled = Arc::new(Self {
            folder: super::open_hasty(&location).unwrap(),
            files: Mutex::default(),
            listings: Mutex::default(),
            is_contended: AtomicBool::new(false),
        });
        let store = CheckpointStore {
            storage: Arc::clone(&troubled) as Arc<dyn Storage>,
            hasty: Arc::clone(&troubled) as Arc<dyn Storage>,
            scratch: folder.join("scratch"),
        };
        (store, troubled)
    }

    pub(super) fn files(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.files.lock().unwrap().extend(troubles);
    }

    pub(super) fn listings(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.listings.lock().unwrap().extend(troubles);
    }

    pub(super) fn contend(&self) {
        self.is_contended.store(true, Ordering::SeqCst);
    }

    fn answer(&self, plan: &Mutex<VecDeque<Trouble>>) -> Result<(), StorageError> {
        let next = plan.lock().unwrap().pop_front();
        match next {
            None => Ok(()),
            Some(Trouble::Away(waited)) => Err(StorageError::Unavailable {
                place: self.folder.location().to_string(),
                waited,
                reason: "planned by the test".into(),
            }),
            Some(Trouble::Hang) => loop {
                std::thread::park();
            },
        }
    }
}

impl Storage for Troubled {
    fn location(&self) -> Location {
        self.folder.location()
    }

    fn put_bytes(&self, key: &str, bytes: Vec<u8>) -> Result<(), StorageError> {
        self.folder.put_bytes(key, bytes)
    }

    fn put_new(&self, key: &str, bytes: Vec<u8>) -> Result<bool, StorageError> {
        if self.is_contended.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.folder.put_new(key, bytes)
    }

    fn put_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        self.answer(&self.files)?;
        self.folder.put_file(key, path)
    }

    fn get_bytes(&self, key: &str, limit: u64) -> Result<Vec<u8>, StorageError> {
        self.folder.get_bytes(key, limit)
    }

    fn get_file(&self, key: &str, path: &Path) -> Result<Transferred, StorageError> {
        self.folder.get_file(key, path)
    }

    fn list(&self, prefix: &str, limit: usize) -> Result<Vec<Object>, StorageError> {
        self.answer(&self.listings)?;
        self.folder.list(prefix, limit)
    }

    fn delete(&self, keys: &[&str]) -> Result<(), StorageError> {
        self.folder.delete(keys)
    }
}
