//! S3 through a bad network, and a server in trouble.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use splade_storage::{Storage, StorageError};
use splade_test_faults::{Fault, Requests, Times};
use support::{MIB, behind_proxy, behind_proxy_with, file, keys, moto, noise};

const SLOW_DOWN: Fault = Fault::Refuse {
    status: 503,
    code: "SlowDown",
};

const NO_SUCH_UPLOAD: Fault = Fault::Refuse {
    status: 404,
    code: "NoSuchUpload",
};

#[test]
fn a_busy_server_is_asked_again() {
    let (proxy, storage) = behind_proxy("busy");
    for (requests, act) in [
        (
            Requests::of("PUT"),
            &(|storage: &dyn Storage| storage.put_bytes("a", b"abc".to_vec()).unwrap())
                as &dyn Fn(&dyn Storage),
        ),
        (Requests::of("GET").at("runs/a"), &|storage| {
            assert_eq!(storage.get_bytes("a", 3).unwrap(), b"abc");
        }),
        (Requests::of("GET").at("list-type"), &|storage| {
            assert_eq!(keys(storage, ""), ["a"]);
        }),
        (Requests::of("POST"), &|storage| {
            storage.delete(&["a"]).unwrap()
        }),
    ] {
        let fault = proxy.inject(requests, SLOW_DOWN, Times::Next(3));
        act(&*storage);
        assert_eq!(fault.hits(), 3);
    }
}

#[test]
fn a_server_without_conditional_writes_takes_no_claim() {
    let (proxy, storage) = behind_proxy("no-conditions");
    let unknown = Fault::Refuse {
        status: 501,
        code: "NotImplemented",
    };
    let fault = proxy.inject(Requests::of("PUT"), unknown, Times::UntilReleased);
    let claimed = storage.put_new("claim", b"mine".to_vec());
    assert!(
        matches!(claimed, Err(StorageError::Refused { .. })),
        "{claimed:?}"
    );
    fault.release();
    assert!(storage.put_new("claim", b"mine".to_vec()).unwrap());
}

#[test]
fn a_server_that_ignores_the_condition_takes_no_claim() {
    let (proxy, storage) = behind_proxy("ignored-conditions");
    let ignoring = proxy.inject(
        Requests::of("PUT"),
        Fault::Unconditional,
        Times::UntilReleased,
    );
    let claimed = storage.put_new("claim", b"mine".to_vec());
    let Err(StorageError::Settings(what)) = claimed else {
        panic!("{claimed:?}");
    };
    assert!(what.contains("If-None-Match"), "{what}");
    ignoring.release();
    assert!(storage.put_new("other", b"mine".to_vec()).unwrap());
}

#[test]
fn a_claim_that_meets_another_is_made_again_but_not_for_ever() {
    let (proxy, storage) = behind_proxy("contended");
    let conflict = Fault::Refuse {
        status: 409,
        code: "ConditionalRequestConflict",
    };
    let some = proxy.inject(Requests::of("PUT"), conflict, Times::Next(2));
    assert!(storage.put_new("claim", b"mine".to_vec()).unwrap());
    assert_eq!(some.hits(), 2);

    let all = proxy.inject(Requests::of("PUT"), conflict, Times::UntilReleased);
    let error = storage.put_new("never", b"mine".to_vec()).unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert_eq!(all.hits(), 5);
}

#[test]
fn parts_that_break_go_up_again() {
    let (proxy, storage) = behind_proxy("broken-parts");
    let folder = tempfile::tempdir().unwrap();
    let content = noise(17 * MIB, 3);
    let path = file(folder.path(), "model", &content);

    let part = |number| Requests::of("PUT").at(format!("partNumber={number}"));
    let faults = [
        proxy.inject(part(1), Fault::Reset, Times::Next(2)),
        proxy.inject(part(2), SLOW_DOWN, Times::Next(1)),
        proxy.inject(part(3), Fault::StallUpload, Times::Next(1)),
        proxy.inject(part(4), Fault::FailAfterCommit, Times::Next(1)),
        proxy.inject(
            Requests::of("POST").at("?uploads"),
            Fault::Reset,
            Times::Next(1),
        ),
    ];
    storage.put_file("model", &path).unwrap();
    let hits: Vec<_> = faults.iter().map(|fault| fault.hits()).collect();
    assert_eq!(hits, [2, 1, 1, 1, 1]);
    assert_eq!(proxy.seen(&Requests::of("PUT")), 4 + 5);

    let back = folder.path().join("back");
    storage.get_file("model", &back).unwrap();
    assert!(fs::read(back).unwrap() == content);
    assert_eq!(moto().unfinished_uploads("broken-parts"), 0);
}

#[test]
fn an_upload_that_stands_still_is_noticed_long_before_its_timeout() {
    let (proxy, storage) = behind_proxy_with("still", |settings| {
        settings.part_bytes = 16 << 20;
        settings.attempts = 1;
        settings.attempt_timeout = Duration::from_secs(300);
        settings.deadline = Duration::from_secs(600);
    });
    let stall = proxy.inject(Requests::of("PUT"), Fault::StallUpload, Times::Next(1));
    let error = storage.put_bytes("a", noise(15 * MIB, 1)).unwrap_err();
    // The reason is that nothing moved, and not that the try took 300 s.
    let StorageError::Unavailable { reason, .. } = error else {
        panic!("{error}");
    };
    assert!(reason.contains("throughput"), "{reason}");
    assert_eq!(stall.hits(), 1);
}

#[test]
fn a_completion_that_succeeded_unheard_is_a_success() {
    let (proxy, storage) = behind_proxy("unheard");
    let folder = tempfile::tempdir().unwrap();
    let content = noise(11 * MIB, 4);
    let path = file(folder.path(), "model", &content);
    let completion = || Requests::of("POST").at("uploadId=");
    let unheard = proxy.inject(completion(), Fault::FailAfterCommit, Times::Next(1));
    let gone = proxy.inject(completion(), NO_SUCH_UPLOAD, Times::Next(1));
    storage.put_file("model", &path).unwrap();
    assert_eq!((unheard.hits(), gone.hits()), (1, 1));
    assert!(storage.get_bytes("model", 11 << 20).unwrap() == content);
    assert_eq!(moto().unfinished_uploads("unheard"), 0);
}

#[test]
fn an_upload_that_somebody_aborted_is_a_failure() {
    let (proxy, storage) = behind_proxy("aborted");
    let folder = tempfile::tempdir().unwrap();
    storage.put_bytes("model", b"old".to_vec()).unwrap();
    let path = file(folder.path(), "model", &noise(11 * MIB, 4));
    proxy.inject(
        Requests::of("POST").at("uploadId="),
        NO_SUCH_UPLOAD,
        Times::Next(1),
    );
    let error = storage.put_file("model", &path).unwrap_err();
    assert!(error.is_temporary(), "{error}");
    assert!(error.to_string().contains("NoSuchUpload"), "{error}");
    assert_eq!(storage.get_bytes("model", 3).unwrap(), b"old");
    assert_eq!(moto().unfinished_uploads("aborted"), 0);
}

#[test]
fn a_failed_upload_leaves_neither_parts_nor_an_object() {
    let (proxy, storage) = behind_proxy("leftovers");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "model", &noise(32 * MIB, 5));
    let fault = proxy.inject(
        Requests::of("PUT").at("partNumber=3"),
        SLOW_DOWN,
        Times::UntilReleased,
    );
    let error = storage.put_file("model", &path).unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    assert!(error.is_temporary() && error.to_string().contains("SlowDown"));
    assert_eq!(fault.hits(), 5);
    assert_eq!(moto().unfinished_uploads("leftovers"), 0);
    assert!(keys(&*storage, "").is_empty());

    fault.release();
    storage.put_file("model", &path).unwrap();
    assert_eq!(keys(&*storage, ""), ["model"]);
}

/// A storage with an object of 9 MiB named `model` behind a proxy.
fn with_object(bucket: &str) -> (splade_test_faults::Proxy, Arc<dyn Storage>, Vec<u8>) {
    let (proxy, storage) = behind_proxy(bucket);
    let folder = tempfile::tempdir().unwrap();
    let content = noise(9 * MIB, 6);
    let path = file(folder.path(), "model", &content);
    storage.put_file("model", &path).unwrap();
    (proxy, storage, content)
}

#[test]
fn a_download_that_breaks_goes_on_where_it_stopped() {
    for (name, fault) in [
        ("cut", Fault::Truncate),
        ("stalled", Fault::Stall),
        ("reset", Fault::Reset),
    ] {
        let (proxy, storage, content) = with_object(&format!("download-{name}"));
        let planned = proxy.inject(Requests::of("GET"), fault, Times::Next(3));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        let fetched = storage.get_file("model", &path).unwrap();
        assert_eq!(planned.hits(), 3, "{name}");
        assert_eq!(fetched.bytes, content.len() as u64);
        assert!(fs::read(&path).unwrap() == content, "{name}");
        assert_eq!(support::names(folder.path()), ["model"]);
        assert_eq!(proxy.seen(&Requests::of("GET")), 4, "{name}");
    }
}

#[test]
fn a_download_that_always_breaks_leaves_no_file() {
    let (proxy, storage, _) = with_object("always-cut");
    // Half of half of half: it advances every time, and then stands at its last byte.
    proxy.inject(Requests::of("GET"), Fault::Truncate, Times::UntilReleased);
    let folder = tempfile::tempdir().unwrap();
    let error = storage
        .get_file("model", &folder.path().join("model"))
        .unwrap_err();
    assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
    assert!(error.is_temporary());
    assert!(support::names(folder.path()).is_empty());
}

#[test]
fn another_object_under_the_same_name_is_not_mixed_in() {
    let (proxy, storage, _) = with_object("replaced");
    let other = noise(9 * MIB, 66);
    let (behind, replacement) = (storage.clone(), other.clone());
    let fault = proxy.inject(Requests::of("GET"), Fault::Stall, Times::Next(1));
    let replacer = std::thread::spawn(move || {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "model", &replacement);
        while fault.hits() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        behind.put_file("model", &path).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let fetched = storage.get_file("model", &path).unwrap();
    replacer.join().unwrap();
    assert_eq!(fetched.bytes, other.len() as u64);
    let whole = fs::read(&path).unwrap();
    assert!(whole == other || whole == noise(9 * MIB, 6));
}

#[test]
fn a_flipped_bit_is_noticed() {
    let (proxy, storage) = behind_proxy("flipped");
    storage.put_bytes("state", noise(100_000, 8)).unwrap();
    let once = proxy.inject(Requests::of("GET"), Fault::Corrupt, Times::Next(1));
    assert!(storage.get_bytes("state", 100_000).unwrap() == noise(100_000, 8));
    assert_eq!(once.hits(), 1);

    proxy.inject(Requests::of("GET"), Fault::Corrupt, Times::UntilReleased);
    let error = storage.get_bytes("state", 100_000).unwrap_err();
    assert!(matches!(error, StorageError::Damaged { .. }), "{error}");
    assert!(!error.is_temporary());
}

#[test]
fn a_server_that_is_away_is_unavailable_and_comes_back() {
    let (proxy, storage) = behind_proxy("away");
    storage.put_bytes("a", b"abc".to_vec()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "model", &noise(6 * MIB, 9));
    let away = proxy.inject(Requests::any(), Fault::Reset, Times::UntilReleased);
    for error in [
        storage.put_bytes("b", b"abc".to_vec()).unwrap_err(),
        storage.put_file("b", &path).unwrap_err(),
        storage.get_bytes("a", 3).unwrap_err(),
        storage.list("", 3).unwrap_err(),
        storage.delete(&["a"]).unwrap_err(),
    ] {
        assert!(matches!(error, StorageError::Unavailable { .. }), "{error}");
        assert!(error.is_temporary());
    }
    // An outage uses up nothing: every request has all of its tries.
    assert_eq!(away.hits(), 25);
    away.release();
    assert_eq!(storage.get_bytes("a", 3).unwrap(), b"abc");
    storage.put_file("b", &path).unwrap();
}

#[test]
fn a_short_outage_is_sat_out() {
    let (proxy, storage) = behind_proxy_with("outage", |settings| {
        settings.attempts = 1000;
    });
    let folder = tempfile::tempdir().unwrap();
    let content = noise(6 * MIB, 9);
    let path = file(folder.path(), "model", &content);
    let away = proxy.inject(Requests::any(), Fault::Reset, Times::UntilReleased);
    let healer = {
        let away = away.clone();
        std::thread::spawn(move || {
            while away.hits() < 150 {
                std::thread::sleep(Duration::from_millis(10));
            }
            away.release();
        })
    };
    storage.put_file("model", &path).unwrap();
    healer.join().unwrap();
    assert!(storage.get_bytes("model", 6 << 20).unwrap() == content);
}

#[test]
fn the_deadline_ends_tries_however_many_are_left() {
    let (proxy, storage) = behind_proxy_with("deadline", |settings| {
        settings.attempts = 1_000_000;
        settings.deadline = Duration::from_secs(1);
    });
    storage.put_bytes("a", noise(1000, 1)).unwrap();
    proxy.inject(Requests::any(), SLOW_DOWN, Times::UntilReleased);
    let error = storage.put_bytes("a", vec![]).unwrap_err();
    let StorageError::Unavailable { waited, .. } = error else {
        panic!("{error}");
    };
    assert!(waited >= Duration::from_secs(1));
    let error = storage.get_bytes("a", 1000).unwrap_err();
    assert!(error.is_temporary(), "{error}");
}
