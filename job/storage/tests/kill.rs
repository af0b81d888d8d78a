//! A process that stores an object and is killed on the way.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use splade_test_faults::{Fault, Proxy, Requests, Times};
use support::{at, file, keys, moto, names};

const SIGKILL: i32 = 9;

/// A process that stores what comes through a pipe under the name `model`, killed when some of it is in the folder.
fn kill_while_storing(folder: &Path, target: &Path) {
    let pipe = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut process = Command::new(env!("CARGO_BIN_EXE_splade-storage-copy"))
        .args([&pipe, target])
        .arg("model")
        .spawn()
        .unwrap();
    // The pipe stays open and so the file is never whole.
    let mut writer = File::options().write(true).open(&pipe).unwrap();
    std::io::Write::write_all(&mut writer, &support::noise(3 << 20, 1)).unwrap();
    wait_for_bytes(&mut process, target);
    process.kill().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(SIGKILL));
    std::fs::remove_file(&pipe).unwrap();
}

fn wait_for_bytes(process: &mut Child, target: &Path) {
    let size = || {
        let entries = std::fs::read_dir(target).ok()?;
        let sizes = entries.map(|entry| entry.unwrap().metadata().unwrap().len());
        sizes.max()
    };
    for _ in 0..6000 {
        if size().is_some_and(|size| size > 0) {
            return;
        }
        assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("nothing was ever written");
}

#[test]
fn a_killed_process_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("runs/step-1");
    kill_while_storing(folder.path(), &target);

    let storage = at(target.to_str().unwrap(), &Default::default());
    assert!(keys(&*storage, "").is_empty());
    assert_eq!(names(&target).len(), 1);

    storage.put_bytes("model", b"whole".to_vec()).unwrap();
    assert_eq!(keys(&*storage, ""), ["model"]);
}

#[test]
fn what_a_killed_process_leaves_goes_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("runs/step-1");
    kill_while_storing(folder.path(), &target);
    let storage = at(
        folder.path().join("runs").to_str().unwrap(),
        &Default::default(),
    );
    storage.put_bytes("step-1/state", vec![]).unwrap();

    // A fresh one may have a writer that has not locked it yet, so it stays for now.
    storage.delete(&["step-1/state"]).unwrap();
    let left = names(&target);
    assert_eq!(left.len(), 1);

    let part = File::options()
        .write(true)
        .open(target.join(&left[0]))
        .unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    part.set_modified(long_ago).unwrap();
    drop(part);
    storage.delete(&["step-1/state"]).unwrap();
    assert!(!target.exists());
}

#[test]
fn a_file_with_a_writer_stays_however_old() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    std::fs::create_dir(&runs).unwrap();
    let part = File::create(runs.join(".splade-part-x")).unwrap();
    part.lock().unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    part.set_modified(long_ago).unwrap();

    let storage = at(folder.path().to_str().unwrap(), &Default::default());
    storage.delete(&["runs/a"]).unwrap();
    assert_eq!(names(&runs), [".splade-part-x"]);
}

#[test]
fn a_process_killed_in_an_upload_leaves_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "model", &support::noise(20 << 20, 2));
    let storage = support::bucket("killed");
    let proxy = Proxy::start(moto().address());
    let second = Requests::of("PUT").at("partNumber=2");
    let stall = proxy.inject(second, Fault::StallUpload, Times::UntilReleased);
    let mut process = Command::new(env!("CARGO_BIN_EXE_splade-storage-copy"))
        .arg(&path)
        .args(["s3://killed/runs", "model"])
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .env("AWS_SHARED_CREDENTIALS_FILE", moto().credentials_file())
        .spawn()
        .unwrap();
    while stall.hits() == 0 {
        assert!(process.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::sleep(Duration::from_millis(10));
    }
    process.kill().unwrap();
    assert_eq!(process.wait().unwrap().signal(), Some(SIGKILL));
    assert!(keys(&*storage, "").is_empty());
    assert_eq!(moto().unfinished_uploads("killed"), 1);
}
