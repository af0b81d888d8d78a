use crate::harness::{ACTOR, Place};
use std::collections::HashMap;
use std::process::Command;

/// What each rank of a launcher finds in these variables, by its `RANK`.
fn seen(flags: &str, variables: &[(&str, &str)], shown: &str) -> HashMap<u32, String> {
    let place = Place::new();
    let script = format!("echo \"$RANK={shown}\"");
    let mut launcher = place.launch_with("launcher", flags, &["sh", "-c", &script], variables);
    assert_eq!(launcher.code(), 0, "{}", launcher.stderr());
    launcher
        .stdout()
        .lines()
        .map(|line| {
            let line = line.split_once("] ").map_or(line, |(_, rest)| rest);
            let (rank, values) = line.split_once('=').unwrap();
            (rank.parse().unwrap(), values.to_owned())
        })
        .collect()
}

#[test]
fn each_rank_has_torchruns_environment_and_what_was_there() {
    let ranks = seen(
        "--ranks-per-node 3 --master-addr 127.0.0.1 --master-port 29411",
        &[("TRACEPARENT", "00-abc-def-01"), ("ANYTHING", "else")],
        "$LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $GROUP_RANK $MASTER_ADDR $MASTER_PORT $TRACEPARENT $ANYTHING",
    );
    assert_eq!(ranks.len(), 3);
    for rank in 0..3 {
        assert_eq!(
            ranks[&rank],
            format!("{rank} 3 3 0 127.0.0.1 29411 00-abc-def-01 else")
        );
    }
}

#[test]
fn ranks_share_the_cores_unless_somebody_chose() {
    let chosen = seen(
        "--ranks-per-node 2",
        &[("OMP_NUM_THREADS", "7")],
        "$OMP_NUM_THREADS",
    );
    assert_eq!(chosen[&1], "7");
    let cores = std::thread::available_parallelism().unwrap().get();
    let share = (cores / 2).max(1);
    // The variable may be set where the tests run, so the launcher is started by itself.
    let output = Command::new(ACTOR)
        .args(["launch", "--ranks-per-node", "2", "--"])
        .args(["sh", "-c", "echo threads $OMP_NUM_THREADS"])
        .env_remove("OMP_NUM_THREADS")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected = format!("threads {share}\n");
    assert_eq!(stdout.matches(&expected).count(), 2, "{stdout}");
}

#[test]
fn a_port_is_found_where_none_is_given() {
    let ranks = seen("--ranks-per-node 2", &[], "$MASTER_ADDR $MASTER_PORT");
    assert_eq!(ranks[&0], ranks[&1]);
    let port = ranks[&0].strip_prefix("127.0.0.1 ").unwrap();
    assert!(port.parse::<u16>().unwrap() > 0);
}

#[test]
fn torchruns_own_variables_are_understood() {
    let ranks = seen(
        "",
        &[("PET_NPROC_PER_NODE", "2"), ("PET_MASTER_PORT", "29422")],
        "$WORLD_SIZE $MASTER_PORT",
    );
    assert_eq!(ranks[&1], "2 29422");
}
