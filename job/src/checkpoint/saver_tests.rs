//! A saver over a real folder that at times does not answer, or answers too late.

use super::*;
use crate::checkpoint::Start;
use crate::checkpoint::troubled::{Trouble, Troubled};
use std::path::Path;

const HOUR: Duration = Duration::from_secs(3600);

/// A saver in a folder whose files meet these troubles, and then listings these.
fn saver(
    folder: &Path,
    patience: Patience,
    files: impl IntoIterator<Item = Trouble>,
    listings: impl IntoIterator<Item = Trouble>,
) -> Saver {
    let (store, troubled) = Troubled::store(folder);
    let attempt = store.begin_attempt(1, Start::Continued).unwrap();
    troubled.files(files);
    troubled.listings(listings);
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
    assert_eq!(waiting.collect::<Vec<_>>(), [6], "the first is on its way");
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
