//! Many files at once: fetched once, stored with one file last.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use splade_storage::{Bounds, StorageError, fetch_folder, fetch_matching, put_folder};
use splade_test_faults::{Fault, Requests, Times};
use support::{ROOM, behind_proxy, file, keys, moto, names, settings};

fn relative(paths: &[PathBuf], folder: &Path) -> Vec<String> {
    paths
        .iter()
        .map(|path| path.strip_prefix(folder).unwrap().display().to_string())
        .collect()
}

#[test]
fn a_folder_is_fetched_once_and_then_only_what_changed() {
    let (proxy, storage) = behind_proxy("fetched-once");
    let gets = || proxy.seen(&Requests::of("GET").at("x-id=GetObject"));
    for (key, content) in [
        ("config.json", "{}"),
        ("deep/vocab.txt", "가"),
        ("weights", "1"),
    ] {
        storage.put_bytes(key, content.into()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("model");
    let fetch = || fetch_folder(&*storage, &folder, ROOM).unwrap();
    assert_eq!(
        relative(&fetch(), &folder),
        ["config.json", "deep/vocab.txt", "weights"]
    );
    assert_eq!(
        fs::read(folder.join("deep/vocab.txt")).unwrap(),
        "가".as_bytes()
    );
    assert_eq!(gets(), 3);
    fetch();
    assert_eq!(gets(), 3);

    // Another object of the same length.
    storage.put_bytes("weights", b"2".to_vec()).unwrap();
    fetch();
    assert_eq!(gets(), 4);
    assert_eq!(fs::read(folder.join("weights")).unwrap(), b"2");

    // A file that somebody edited or removed here.
    fs::write(folder.join("config.json"), "[]").unwrap();
    fs::remove_file(folder.join("deep/vocab.txt")).unwrap();
    fetch();
    assert_eq!(gets(), 6);
    assert_eq!(fs::read(folder.join("config.json")).unwrap(), b"{}");

    // An object that is gone goes here too; a file that never was one stays.
    file(&folder, "notes.txt", b"mine");
    storage.delete(&["weights"]).unwrap();
    assert_eq!(
        relative(&fetch(), &folder),
        ["config.json", "deep/vocab.txt"]
    );
    assert!(!folder.join("weights").exists() && folder.join("notes.txt").exists());
}

#[test]
fn a_fetch_that_breaks_off_goes_on_later() {
    let (proxy, storage) = behind_proxy("goes-on");
    let gets = || proxy.seen(&Requests::of("GET").at("x-id=GetObject"));
    for key in ["a", "b", "c"] {
        storage.put_bytes(key, key.into()).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let fault = proxy.inject(
        Requests::of("GET").at("runs/b"),
        Fault::Refuse {
            status: 403,
            code: "AccessDenied",
        },
        Times::UntilReleased,
    );
    let error = fetch_folder(&*storage, folder.path(), ROOM).unwrap_err();
    assert!(matches!(error, StorageError::Denied { .. }), "{error}");
    assert_eq!(gets(), 2);
    fault.release();
    fetch_folder(&*storage, folder.path(), ROOM).unwrap();
    assert_eq!(gets(), 4);
}

#[test]
fn a_folder_beyond_its_bounds_is_not_begun() {
    let (proxy, storage) = behind_proxy("bounds");
    for key in ["a", "b", "c"] {
        storage.put_bytes(key, vec![0; 10]).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let fetch = |objects, bytes| {
        fetch_folder(&*storage, folder.path(), Bounds { objects, bytes }).map(|files| files.len())
    };
    assert!(matches!(
        fetch(2, 100),
        Err(StorageError::TooMany { limit: 2, .. })
    ));
    assert!(matches!(
        fetch(3, 29),
        Err(StorageError::TooLarge {
            bytes: 30,
            limit: 29,
            ..
        })
    ));
    assert!(names(folder.path()).is_empty());
    assert_eq!(fetch(3, 30).unwrap(), 3);
    assert_eq!(proxy.seen(&Requests::of("GET").at("x-id=GetObject")), 3);

    let empty = support::bucket("nothing");
    let error = fetch_folder(&*empty, folder.path(), ROOM).unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
}

#[test]
fn a_glob_finds_its_objects_in_order() {
    let (proxy, storage) = behind_proxy("globs");
    for key in [
        "data/train-2.jsonl",
        "data/train-10.jsonl",
        "data/train-1.jsonl",
        "data/train-x/deep.jsonl",
        "data/validation.jsonl",
    ] {
        storage.put_bytes(key, key.into()).unwrap();
    }
    let cache = tempfile::tempdir().unwrap();
    let s3 = settings(proxy.endpoint());
    let fetch = |pattern: &str| {
        fetch_matching(pattern, cache.path(), &s3, ROOM)
            .map(|paths| relative(&paths, &cache.path().join("globs/runs/data")))
    };
    let train = ["train-1.jsonl", "train-10.jsonl", "train-2.jsonl"];
    assert_eq!(fetch("s3://globs/runs/data/train-*.jsonl").unwrap(), train);
    assert_eq!(
        fetch("s3://globs/runs/data/validation.jsonl").unwrap(),
        ["validation.jsonl"]
    );
    assert_eq!(
        fetch("s3://globs/runs/data/*/deep.jsonl").unwrap(),
        ["train-x/deep.jsonl"]
    );
    // One pattern does not sweep away what another one fetched.
    let gets = proxy.seen(&Requests::of("GET").at("x-id=GetObject"));
    assert_eq!(gets, 5);
    assert_eq!(
        fetch("s3://globs/runs/data/train-[0-9]*.jsonl").unwrap(),
        train
    );
    assert_eq!(proxy.seen(&Requests::of("GET").at("x-id=GetObject")), gets);

    for pattern in [
        "s3://globs/runs/data/test-*",
        "s3://globs/nothing/*",
        "s3://globs",
    ] {
        let error = fetch(pattern).unwrap_err();
        assert!(matches!(error, StorageError::NoMatch { .. }), "{error}");
        assert!(!error.is_temporary() && error.to_string().contains(pattern));
    }
    let error = fetch("s3://globs/runs/data/[").unwrap_err();
    assert!(matches!(error, StorageError::Pattern { .. }), "{error}");
}

#[test]
fn files_of_this_machine_are_matched_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.jsonl", "a.jsonl", "a.txt"] {
        file(folder.path(), name, b"x");
    }
    fs::create_dir(folder.path().join("c.jsonl")).unwrap();
    let cache = folder.path().join("cache");
    let root = folder.path().display();
    for pattern in [format!("{root}/*.jsonl"), format!("file://{root}/*.jsonl")] {
        let found = fetch_matching(&pattern, &cache, &Default::default(), ROOM).unwrap();
        assert_eq!(relative(&found, folder.path()), ["a.jsonl", "b.jsonl"]);
    }
    let none = fetch_matching(&format!("{root}/z*"), &cache, &Default::default(), ROOM);
    assert!(matches!(none, Err(StorageError::NoMatch { .. })));
    assert!(!cache.exists());
}

#[test]
fn a_folder_is_stored_with_its_chosen_file_last() {
    let (proxy, storage) = behind_proxy("put-folder");
    let folder = tempfile::tempdir().unwrap();
    for name in ["MANIFEST.json", "model.safetensors", "z/state.json"] {
        file(folder.path(), name, name.as_bytes());
    }
    let fault = proxy.inject(
        Requests::of("PUT").at("state.json"),
        Fault::Refuse {
            status: 403,
            code: "AccessDenied",
        },
        Times::UntilReleased,
    );
    let put = || put_folder(folder.path(), &*storage, "MANIFEST.json", ROOM);
    assert!(matches!(put(), Err(StorageError::Denied { .. })));
    assert_eq!(keys(&*storage, ""), ["model.safetensors"]);

    fault.release();
    assert_eq!(put().unwrap(), 3);
    assert_eq!(
        keys(&*storage, ""),
        ["MANIFEST.json", "model.safetensors", "z/state.json"]
    );
    let lacking = put_folder(folder.path(), &*storage, "INDEX.json", ROOM);
    assert!(matches!(lacking, Err(StorageError::NotFound { .. })));
    assert_eq!(moto().unfinished_uploads("put-folder"), 0);
}

#[test]
fn what_was_stored_from_one_folder_is_fetched_into_another() {
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("source");
    for name in ["MANIFEST.json", "deep/er/a"] {
        file(&source, name, name.as_bytes());
    }
    let storage = support::at(
        place.path().join("store").to_str().unwrap(),
        &Default::default(),
    );
    put_folder(&source, &*storage, "MANIFEST.json", ROOM).unwrap();
    let target = place.path().join("target");
    let files = fetch_folder(&*storage, &target, ROOM).unwrap();
    assert_eq!(relative(&files, &target), ["MANIFEST.json", "deep/er/a"]);
    assert_eq!(fs::read(target.join("deep/er/a")).unwrap(), b"deep/er/a");
}
