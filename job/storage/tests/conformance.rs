//! What every storage does, in a folder and in S3.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use splade_storage::{Storage, StorageError};
use support::{MIB, file, keys, moto, noise};
use tempfile::TempDir;

/// Runs each of these once in a folder and once in a bucket of its own.
macro_rules! in_both {
    ($($name:ident),+ $(,)?) => {
        mod in_a_folder {
            $(#[test] fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let place = folder.path().join("not/yet/there");
                super::$name(&*super::support::at(place.to_str().unwrap(), &Default::default()));
            })+
        }
        mod in_s3 {
            $(#[test] fn $name() {
                let bucket = stringify!($name).replace('_', "-");
                super::$name(&*super::support::bucket(&bucket));
            })+
        }
    };
}

in_both!(
    bytes_come_back,
    files_come_back,
    large_files_come_back,
    an_object_is_replaced,
    a_new_object_is_taken_by_one,
    a_missing_object_is_not_found,
    too_much_is_refused,
    listing_goes_deep_and_stays_below,
    listing_is_bounded,
    versions_tell_contents_apart,
    deleting_takes_what_is_there,
    names_are_checked,
);

fn bytes_come_back(storage: &dyn Storage) {
    for (key, content) in [
        ("empty", Vec::new()),
        ("a/b/c.json", b"{}".to_vec()),
        ("가나다/모델 1.bin", noise(100_000, 1)),
    ] {
        storage.put_bytes(key, content.clone()).unwrap();
        assert_eq!(storage.get_bytes(key, 100_000).unwrap(), content, "{key}");
    }
}

fn files_come_back(storage: &dyn Storage) {
    let folder = tempfile::tempdir().unwrap();
    for (name, length) in [("empty", 0), ("small", 3), ("page", 70_000)] {
        there_and_back(storage, &folder, name, length);
    }
    let abc = file(folder.path(), "abc", b"abc");
    let stored = storage.put_file("abc", &abc).unwrap();
    assert_eq!(
        stored.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let missing = storage.put_file("x", &folder.path().join("x"));
    assert!(matches!(missing, Err(StorageError::Io { .. })));
}

fn a_new_object_is_taken_by_one(storage: &dyn Storage) {
    let takers = std::thread::scope(|scope| {
        let takers: Vec<_> = (0..8_u8)
            .map(|taker| {
                scope.spawn(move || storage.put_new("claim/begun.json", vec![taker; 9]).unwrap())
            })
            .collect();
        takers
            .into_iter()
            .map(|taker| taker.join().unwrap())
            .collect::<Vec<bool>>()
    });
    let winner = takers.iter().position(|&took| took).unwrap();
    assert_eq!(takers.iter().filter(|&&took| took).count(), 1, "{takers:?}");
    let content = storage.get_bytes("claim/begun.json", 9).unwrap();
    assert_eq!(content, vec![winner as u8; 9]);
    assert!(
        !storage
            .put_new("claim/begun.json", b"late".to_vec())
            .unwrap()
    );
    assert_eq!(storage.get_bytes("claim/begun.json", 9).unwrap(), content);
}

fn large_files_come_back(storage: &dyn Storage) {
    let folder = tempfile::tempdir().unwrap();
    for (name, length) in [("one", 5 * MIB), ("two", 5 * MIB + 1), ("many", 23 * MIB)] {
        there_and_back(storage, &folder, name, length);
    }
}

fn there_and_back(storage: &dyn Storage, folder: &TempDir, name: &str, length: usize) {
    let content = noise(length, length as u64);
    let source = file(folder.path(), name, &content);
    let stored = storage.put_file(name, &source).unwrap();
    assert_eq!(stored.bytes, length as u64);

    let target = folder.path().join("new/folder").join(name);
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::write(&target, "what was there before").unwrap();
    let fetched = storage.get_file(name, &target).unwrap();
    assert_eq!(fetched, stored);
    assert_eq!(fs::read(&target).unwrap(), content, "{name}");
    assert_eq!(support::names(target.parent().unwrap()).len(), {
        support::keys(storage, "").len()
    });
}

fn an_object_is_replaced(storage: &dyn Storage) {
    storage.put_bytes("a", noise(5000, 1)).unwrap();
    storage.put_bytes("a", b"new".to_vec()).unwrap();
    assert_eq!(storage.get_bytes("a", 3).unwrap(), b"new");
    assert_eq!(keys(storage, ""), ["a"]);
}

fn a_missing_object_is_not_found(storage: &dyn Storage) {
    storage.put_bytes("folder/a", b"a".to_vec()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for key in ["b", "folder", "folder/a/b"] {
        let error = storage.get_bytes(key, 10).unwrap_err();
        assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains(key) && !error.is_temporary());
        let error = storage.get_file(key, &folder.path().join("x")).unwrap_err();
        assert!(matches!(error, StorageError::NotFound { .. }), "{error}");
    }
    assert!(support::names(folder.path()).is_empty());
    assert!(keys(storage, "nothing/here").is_empty());
}

fn too_much_is_refused(storage: &dyn Storage) {
    storage.put_bytes("a", noise(1000, 1)).unwrap();
    assert_eq!(storage.get_bytes("a", 1000).unwrap().len(), 1000);
    let error = storage.get_bytes("a", 999).unwrap_err();
    assert!(
        matches!(
            error,
            StorageError::TooLarge {
                bytes: 1000,
                limit: 999,
                ..
            }
        ),
        "{error}"
    );
}

fn listing_goes_deep_and_stays_below(storage: &dyn Storage) {
    assert!(keys(storage, "").is_empty());
    for key in ["step-1/b", "step-1/a/c", "step-10/a", "top"] {
        storage.put_bytes(key, key.as_bytes().to_vec()).unwrap();
    }
    assert_eq!(
        keys(storage, ""),
        ["step-1/a/c", "step-1/b", "step-10/a", "top"]
    );
    assert_eq!(keys(storage, "step-1"), ["step-1/a/c", "step-1/b"]);
    assert_eq!(keys(storage, "step-1/a"), ["step-1/a/c"]);
    assert!(keys(storage, "top").is_empty());
    assert!(keys(storage, "step").is_empty());
    assert_eq!(storage.list("step-10", 1).unwrap()[0].bytes, 9);
}

fn listing_is_bounded(storage: &dyn Storage) {
    for number in 0..4 {
        storage.put_bytes(&format!("a/{number}"), vec![]).unwrap();
    }
    assert_eq!(storage.list("", 4).unwrap().len(), 4);
    let error = storage.list("", 3).unwrap_err();
    assert!(
        matches!(error, StorageError::TooMany { limit: 3, .. }),
        "{error}"
    );
}

fn versions_tell_contents_apart(storage: &dyn Storage) {
    let version = || storage.list("", 1).unwrap()[0].version.clone();
    storage.put_bytes("a", b"one".to_vec()).unwrap();
    let first = version();
    assert_eq!(version(), first);
    storage.put_bytes("a", b"two".to_vec()).unwrap();
    assert_ne!(version(), first);
}

fn deleting_takes_what_is_there(storage: &dyn Storage) {
    for key in ["step-1/a", "step-1/deep/b", "step-2/a"] {
        storage.put_bytes(key, b"x".to_vec()).unwrap();
    }
    storage
        .delete(&["step-1/a", "step-1/deep/b", "step-1/gone", "step-2"])
        .unwrap();
    assert_eq!(keys(storage, ""), ["step-2/a"]);
    storage.delete(&["step-1/a"]).unwrap();
    storage.delete(&[]).unwrap();
    storage.put_bytes("step-1/a", b"again".to_vec()).unwrap();
    assert_eq!(storage.get_bytes("step-1/a", 5).unwrap(), b"again");
}

fn names_are_checked(storage: &dyn Storage) {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x", b"x");
    for key in ["", "/a", "a//b", "../a", "a/..", ".splade-part-x"] {
        for result in [
            storage.put_bytes(key, vec![]).err(),
            storage.put_file(key, &path).err(),
            storage.get_bytes(key, 1).err(),
            storage.get_file(key, &path).err(),
            storage.delete(&[key]).err(),
        ] {
            assert!(matches!(result, Some(StorageError::Key { .. })), "{key:?}");
        }
    }
    assert!(storage.list("../a", 1).is_err());
    assert_eq!(fs::read(&path).unwrap(), b"x");
}

#[test]
fn a_large_file_goes_up_in_parts_and_a_small_one_does_not() {
    let storage = support::bucket("in-parts");
    let folder = tempfile::tempdir().unwrap();
    for (name, length, parts) in [("small", 5 * MIB, None), ("large", 12 * MIB, Some("-3\""))] {
        let path = file(folder.path(), name, &noise(length, 7));
        storage.put_file(name, &path).unwrap();
        let head = moto().ask("HEAD", &format!("/in-parts/runs/{name}"));
        let etag = head.header("etag").unwrap();
        assert_eq!(
            etag.ends_with(parts.unwrap_or("-1\"")),
            parts.is_some(),
            "{etag}"
        );
    }
    assert_eq!(moto().unfinished_uploads("in-parts"), 0);
}

#[test]
fn a_listing_of_many_pages_is_whole() {
    let storage = support::bucket("pages");
    for number in 0..1002 {
        let reply = moto().ask("PUT", &format!("/pages/runs/many/{number:05}"));
        assert_eq!(reply.status, 200);
    }
    let objects = storage.list("many", 1002).unwrap();
    assert_eq!(objects.len(), 1002);
    assert_eq!(objects[1001].key, "many/01001");
    assert!(storage.list("many", 1001).is_err());

    let keys: Vec<_> = objects.iter().map(|object| object.key.as_str()).collect();
    storage.delete(&keys).unwrap();
    assert!(storage.list("", 1).unwrap().is_empty());
}

#[test]
fn a_marker_of_a_folder_is_no_object_and_an_impossible_name_is_told() {
    let storage = support::bucket("markers");
    moto().ask("PUT", "/markers/runs/folder/");
    storage.put_bytes("folder/a", vec![]).unwrap();
    assert_eq!(keys(&*storage, ""), ["folder/a"]);

    moto().ask("PUT", "/markers/runs/folder//a");
    let error = storage.list("", 10).unwrap_err();
    assert!(matches!(error, StorageError::Key { .. }), "{error}");
    assert!(error.to_string().contains("folder//a"), "{error}");
}
