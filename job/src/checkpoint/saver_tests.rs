//! A saver over a real folder that at times does not answer, or answers too late.

use super::*;
use crate::checkpoint::{CheckpointStore, Start};
use splade_storage::{Location, Object, Storage, StorageError, Transferred};
use std::path::Path;

const HOUR: Duration = Duration::from_secs(3600);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It fails after so long.
    Away(Duration),
    /// It is never answered.
    Hang,
}

/// A folder, and what happens to the next files that go there and to the next listings.
#[derive(Debug)]
struct Troubled {
    folder: Arc<dyn Storage>,
    files: Mutex<VecDeque<Trouble>>,
    listings: Mutex<VecDeque<Trouble>>,
}

impl Troubled {
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

/// A saver in a folder whose files meet these troubles, and then listings these.
fn saver(
    folder: &Path,
    patience: Patience,
    files: impl IntoIterator<Item = Trouble>,
    listings: impl IntoIterator<Item = Trouble>,
) -> Saver {
    let location = Location::Local(folder.join("checkpoints"));
    let troubled = Arc::new(Troubled {
        folder: crate::checkpoint::open_storage(&location).unwrap(),
        files: Mutex::new(files.into_iter().collect()),
        listings: Mutex::default(),
    });
    let store = CheckpointStore {
        storage: Arc::clone(&troubled) as Arc<dyn Storage>,
        scratch: folder.join("scratch"),
    };
    let attempt = store.begin_attempt(1, Start::Continued).unwrap();
    *troubled.listings.lock().unwrap() = listings.into_iter().collect();
    Saver::start(attempt, patience).unwrap()
}

fn save(saver: &Saver, step: u64) {
    saver.save(Snapshot::without_tensors(step), None);
}

#[test]
fn an_outage_counts_from_the_start_of_the_request_that_fails_first() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience::new(HOUR);
    let saver = saver(folder.path(), patience, [Trouble::Away(2 * HOUR)], []);
    save(&saver, 2);
    let ended = saver.finish(&|| {});
    let Err(CheckpointError::Away { since, limit, .. }) = ended else {
        panic!("{ended:?}");
    };
    assert!(since >= 2 * HOUR && limit == HOUR);
}

#[test]
fn a_try_that_hangs_does_not_outlast_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience::new(HOUR);
    let most = HOUR - Duration::from_secs(1);
    let files = [Trouble::Away(most), Trouble::Hang];
    let saver = saver(folder.path(), patience, files, []);
    save(&saver, 2);
    let ended = saver.finish(&|| {});
    assert!(
        matches!(ended, Err(CheckpointError::Away { .. })),
        "{ended:?}"
    );
}

#[test]
fn an_outage_shorter_than_the_limit_is_sat_out() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience::new(HOUR);
    let saver = saver(folder.path(), patience, [Trouble::Away(HOUR / 2)], []);
    save(&saver, 2);
    let (_, step) = saver.finish(&|| {}).unwrap().unwrap();
    assert_eq!(step, 2);
}

#[test]
fn training_goes_on_beside_a_try_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience {
        slow: Duration::from_millis(1),
        ..Patience::new(HOUR)
    };
    let saver = saver(folder.path(), patience, [Trouble::Hang], []);
    for step in [2, 4, 6] {
        saver.wait_for_room(&|| {}).unwrap();
        save(&saver, step);
    }
    let state = saver.shared.lock();
    let waiting = state.waiting.iter().map(|waiting| waiting.snapshot.step);
    // The first is on its way, or waits where the thread has not begun.
    assert_eq!(waiting.last(), Some(6));
    assert_eq!(state.waiting.len(), 1);
    assert!(state.away.is_none());
}

#[test]
fn at_the_end_nobody_waits_for_storage_that_hangs_when_all_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience {
        tidying: Duration::ZERO,
        ..Patience::new(HOUR)
    };
    let saver = saver(folder.path(), patience, [], [Trouble::Hang]);
    save(&saver, 2);
    let (_, step) = saver.finish(&|| {}).unwrap().unwrap();
    assert_eq!(step, 2);
}
