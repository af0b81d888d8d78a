use crate::harness::{ACTOR, Place, is_alive, pid_in, send, wait_for_end};
use std::fs;

#[test]
fn a_launcher_killed_leaves_no_rank() {
    let place = Place::new();
    let ready = place.ready();
    let mut launcher = place.launch_ranks("--ranks-per-node 3", &["listen", &ready, "hang"]);
    let pids = place.pids(3);
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    send("KILL", launcher.pid());
    launcher.wait();
    pids.into_iter().for_each(wait_for_end);
}

#[test]
fn what_a_killed_launcher_leaves_is_removed_by_the_next() {
    let place = Place::new();
    let ready = place.ready();
    let folders = || {
        let found = fs::read_dir(place.path("")).unwrap();
        let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names
            .filter(|name| name.starts_with("splade-launch-"))
            .collect();
        names.sort();
        names
    };
    let launch = |name: &str| {
        place.launch(
            name,
            "",
            &[ACTOR, "rank", "listen", &ready, "step=1", "train"],
        )
    };
    let mut killed = launch("killed");
    let rank = place.pid_of(0);
    let of_killed = folders();
    assert_eq!(of_killed.len(), 1);
    send("KILL", killed.pid());
    killed.wait();
    wait_for_end(rank);
    fs::remove_file(place.path("rank-0")).unwrap();
    assert_eq!(folders(), of_killed);

    let living = launch("living");
    place.pid_of(0);
    let of_living = folders();
    assert_eq!(of_living.len(), 1, "{of_living:?}");
    assert_ne!(of_living, of_killed);
    // That of one that lives stays, and each takes its own with it.
    let mut next = place.launch("next", "", &["true"]);
    assert_eq!(next.code(), 0);
    assert_eq!(folders(), of_living);
    drop(living);
}

#[test]
fn a_rank_without_its_launcher_does_not_start() {
    let output = std::process::Command::new(crate::harness::ACTOR)
        .args(["rank", "print=started"])
        .env("SPLADE_LAUNCHER_PID", "1")
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("LauncherGone"));
}

#[test]
fn what_ranks_started_ends_with_them() {
    for ending in ["exit=0", "exit=70", "hang"] {
        let place = Place::new();
        let (ready, file) = (place.ready(), place.path("child"));
        let child = format!("0:child={}", file.display());
        let mut launcher =
            place.launch_ranks("--ranks-per-node 2", &["listen", &child, &ready, ending]);
        let (child, rank) = (pid_in(&file), place.pid_of(0));
        if ending == "hang" {
            send("KILL", rank);
        }
        launcher.wait();
        wait_for_end(child);
    }
}
