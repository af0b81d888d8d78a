//! A gang of two ranks that is killed over and over ends where one that was left alone ends, byte for byte.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod common;

use common::workspace::{Recipe, Workspace};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STEPS: u32 = 60;
const KILLS: usize = 20;

fn manifest(workspace: &Workspace, name: &'static str) -> PathBuf {
    let path = workspace.manifest(&Recipe {
        name,
        max_steps: STEPS,
        every_steps: 2,
        ..Recipe::default()
    });
    let text = fs::read_to_string(&path).unwrap();
    let text = text
        .replace("devicesPerNode: 1", "devicesPerNode: 2")
        .replace("batchSizePerDevice: 8", "batchSizePerDevice: 4");
    fs::write(&path, text).unwrap();
    path
}

fn start(workspace: &Workspace, manifest: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_splade-job"))
        .args(["launch", "-f", manifest.to_str().unwrap()])
        .current_dir(workspace.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Moments in the life of an attempt, told by what lies on the disk.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before the first step: opening data and model, and reading the checkpoint of the attempt before.
    InAResume,
    /// Some steps in, wherever that is.
    InAStep,
    /// While the files of a checkpoint are being stored.
    InAnUpload,
    /// When all files of a checkpoint are there and its manifest may be on its way.
    WhileTheManifestIsWritten,
    /// Just after a checkpoint came to be.
    AfterAManifest,
}

const MOMENTS: [Moment; 5] = [
    Moment::InAResume,
    Moment::InAStep,
    Moment::InAnUpload,
    Moment::WhileTheManifestIsWritten,
    Moment::AfterAManifest,
];

impl Moment {
    fn has_come(self, checkpoints: &Path, attempt: usize) -> bool {
        let attempt = checkpoints.join(format!("attempt-{attempt:04}"));
        let any = |pattern: &str| {
            let pattern = attempt.join(pattern);
            glob::glob(pattern.to_str().unwrap())
                .unwrap()
                .next()
                .is_some()
        };
        let lines = || {
            let log = fs::read_to_string(attempt.join("metrics.jsonl"));
            log.unwrap_or_default().lines().count()
        };
        match self {
            // The attempt that a rank opens when it has restored what there is has not begun.
            Self::InAResume => true,
            Self::InAStep => lines() >= 3,
            Self::InAnUpload => any("step-*/model.safetensors"),
            Self::WhileTheManifestIsWritten => any("step-*/state.json"),
            Self::AfterAManifest => any("step-*/MANIFEST.json"),
        }
    }
}

/// Kills the launcher so long after a moment of its attempt; true if the run was over before.
fn kill_at(
    run: &mut Child,
    moment: Moment,
    delay: Duration,
    checkpoints: &Path,
    attempt: usize,
) -> bool {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !moment.has_come(checkpoints, attempt) {
        assert!(Instant::now() < deadline, "{moment:?} does not come");
        if run.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(delay);
    if run.try_wait().unwrap().is_some() {
        return true;
    }
    run.kill().unwrap();
    run.wait().unwrap();
    false
}

/// Ranks die with their launcher; the next attempt must not meet one of the last.
fn wait_until_no_rank_is_left(manifest: &Path) {
    let name = manifest.to_str().unwrap();
    let runs = |process: &Path| {
        fs::read(process.join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(name))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = fs::read_dir("/proc")
            .unwrap()
            .filter_map(Result::ok)
            .any(|process| runs(&process.path()));
        if !left {
            return;
        }
        assert!(Instant::now() < deadline, "a rank outlives its launcher");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Delays that look random and are the same every time (a linear congruential generator).
struct Delays(u64);

impl Delays {
    fn next(&mut self, most: Duration) -> Duration {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.0 >> 33) as f64 / (1u64 << 31) as f64)
    }
}

fn last_checkpoint(workspace: &Workspace, name: &str) -> PathBuf {
    let newest = workspace.newest_checkpoint(name);
    assert!(
        newest.ends_with(format!("step-{STEPS:08}")),
        "{}",
        newest.display()
    );
    newest
}

#[test]
fn twenty_kills_change_nothing() {
    let workspace = Workspace::new();
    let straight = manifest(&workspace, "straight");
    assert!(start(&workspace, &straight).wait().unwrap().success());
    let killed = manifest(&workspace, "killed");
    let checkpoints = workspace.path().join("runs/killed/checkpoints");
    // Each moment four times, with some delay: a run that is over before its kill starts anew, from nothing.
    let mut generator = Delays(0x5eed);
    let mut kills = 0;
    while kills < KILLS {
        let moment = MOMENTS[kills % MOMENTS.len()];
        let delay = generator.next(match moment {
            Moment::InAResume => Duration::from_millis(1500),
            _ => Duration::from_millis(60),
        });
        let attempt = (1..)
            .find(|number| !checkpoints.join(format!("attempt-{number:04}")).exists())
            .unwrap();
        let mut run = start(&workspace, &killed);
        let is_over = kill_at(&mut run, moment, delay, &checkpoints, attempt);
        wait_until_no_rank_is_left(&killed);
        if is_over {
            assert_same_bytes(&workspace);
            fs::remove_dir_all(&checkpoints).unwrap();
        } else {
            kills += 1;
        }
    }
    assert!(start(&workspace, &killed).wait().unwrap().success());
    assert_same_bytes(&workspace);
}

fn assert_same_bytes(workspace: &Workspace) {
    for file in [
        "model.safetensors",
        "optimizer-00000.safetensors",
        "state.json",
    ] {
        let bytes = |name| fs::read(last_checkpoint(workspace, name).join(file)).unwrap();
        let (straight, killed) = (bytes("straight"), bytes("killed"));
        assert!(
            straight == killed,
            "{file} differs: {} and {} bytes",
            straight.len(),
            killed.len()
        );
    }
}

#[test]
fn torn_cut_and_flipped_checkpoints_are_passed_over_for_the_one_before() {
    let workspace = Workspace::new();
    let path = workspace.manifest(&Recipe {
        name: "damaged",
        max_steps: 10,
        every_steps: 2,
        extra: String::new(),
    });
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("everySteps: 2", "everySteps: 2, keepLast: 5"),
    )
    .unwrap();
    workspace.job(&format!("train -f {}", path.display()));
    let attempt = workspace
        .path()
        .join("runs/damaged/checkpoints/attempt-0001");
    let expected = fs::read(attempt.join("step-00000010/model.safetensors")).unwrap();
    let step = |step: u32| attempt.join(format!("step-{step:08}"));
    // The last one has lost its manifest, the one before is cut short, and the one before that has a wrong bit.
    fs::remove_file(step(10).join("MANIFEST.json")).unwrap();
    let cut = step(8).join("optimizer-00000.safetensors");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let flipped = step(6).join("model.safetensors");
    let mut bytes = fs::read(&flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&flipped, bytes).unwrap();
    let output = common::splade_job(&["train", "-f", path.to_str().unwrap()], workspace.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.matches("not whole").count(), 2, "{errors}");
    assert!(
        errors.contains("step-00000004") && errors.contains("resuming"),
        "{errors}"
    );
    let again = workspace
        .path()
        .join("runs/damaged/checkpoints/attempt-0002/step-00000010/model.safetensors");
    assert!(fs::read(again).unwrap() == expected);
}

#[test]
fn another_number_of_ranks_is_another_run() {
    let workspace = Workspace::new();
    let path = workspace.manifest(&Recipe {
        name: "ranks",
        ..Recipe::default()
    });
    workspace.job(&format!("train -f {}", path.display()));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("devicesPerNode: 1", "devicesPerNode: 2"),
    )
    .unwrap();
    let output = common::splade_job(&["launch", "-f", path.to_str().unwrap()], workspace.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{errors}");
    assert!(
        errors.contains("it ran on 1 ranks, this run has 2"),
        "{errors}"
    );
}

#[test]
fn sigterm_to_a_gang_saves_and_run_continues_it() {
    let workspace = Workspace::new();
    let straight = manifest(&workspace, "straight");
    assert!(start(&workspace, &straight).wait().unwrap().success());
    let stopped = manifest(&workspace, "killed");
    let checkpoints = workspace.path().join("runs/killed/checkpoints");
    let run = |phase: &str| {
        Command::new(env!("CARGO_BIN_EXE_splade-job"))
            .args([phase, "-f", stopped.to_str().unwrap()])
            .current_dir(workspace.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut first = run("run");
    let deadline = Instant::now() + Duration::from_secs(300);
    while !Moment::AfterAManifest.has_come(&checkpoints, 1) {
        assert!(Instant::now() < deadline, "no checkpoint appears");
        std::thread::sleep(Duration::from_millis(2));
    }
    let asked = Command::new("kill")
        .args(["-TERM", &first.id().to_string()])
        .status();
    assert!(asked.unwrap().success());
    assert_eq!(first.wait().unwrap().code(), Some(75));
    wait_until_no_rank_is_left(&stopped);
    assert!(run("run").wait().unwrap().success());
    assert_same_bytes(&workspace);
}

#[test]
fn resume_never_starts_over_and_what_lay_there_counts_no_longer() {
    let workspace = Workspace::new();
    let path = workspace.manifest(&Recipe {
        name: "anew",
        max_steps: 10,
        extra: "  export: {uri: runs/anew/export}\n".into(),
        ..Recipe::default()
    });
    let text = fs::read_to_string(&path).unwrap();
    workspace.job(&format!("run -f {}", path.display()));
    let never = text
        .replace("maxSteps: 10", "maxSteps: 4")
        .replace("everySteps: 2", "everySteps: 2, resume: Never");
    for ranks in [1, 2] {
        let manifest = never.replace("devicesPerNode: 1", &format!("devicesPerNode: {ranks}"));
        fs::write(&path, manifest).unwrap();
        workspace.job(&format!("run -f {}", path.display()));
        let provenance = fs::read(workspace.path().join("runs/anew/export/provenance.json"));
        let provenance: serde_json::Value = serde_json::from_slice(&provenance.unwrap()).unwrap();
        assert_eq!(provenance["state"]["step"], 4, "{ranks} ranks");
        assert_eq!(provenance["state"]["world_size"], ranks);
    }
}

#[test]
fn a_launch_tells_what_it_continued_from_also_where_nothing_is_left_to_do() {
    let workspace = Workspace::new();
    let path = workspace.manifest(&Recipe {
        max_steps: 4,
        ..Recipe::default()
    });
    let launch = || {
        workspace.job(&format!(
            "launch -f {} --termination-log message.json",
            path.display()
        ));
        let text = fs::read(workspace.path().join("message.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&text).unwrap()
    };
    let place = |attempt: u32, step: u32| {
        format!("runs/small/checkpoints/attempt-{attempt:04}/step-{step:08}")
    };
    let stands = |message: &serde_json::Value, from: Option<String>, newest: String| {
        assert_eq!(message["outcome"], "Succeeded", "{message}");
        assert_eq!(
            (&message["step"], &message["totalSteps"]),
            (&4.into(), &4.into())
        );
        assert_eq!(
            message["resumedFrom"].as_str(),
            from.as_deref(),
            "{message}"
        );
        assert_eq!(message["checkpoint"], newest, "{message}");
    };
    stands(&launch(), None, place(1, 4));
    // Without its manifest the last checkpoint is none.
    fs::remove_file(workspace.path().join(place(1, 4)).join("MANIFEST.json")).unwrap();
    stands(&launch(), Some(place(1, 2)), place(2, 4));
    stands(&launch(), Some(place(2, 4)), place(2, 4));
    let attempts = workspace.path().join("runs/small/checkpoints/attempt-0003");
    assert!(!attempts.exists(), "nothing was trained again");
}
