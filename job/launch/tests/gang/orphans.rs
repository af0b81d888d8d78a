use crate::harness::{Place, is_alive, pid_in, send, wait_for_end};

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
