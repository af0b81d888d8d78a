//! Processes of pods. The nodes are of this machine, so a test sees and signals them as a node's administrator would.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// Processes of a pod whose command line contains `words`, oldest first.
fn processes(pod_uid: &str, words: &str) -> Vec<Pid> {
    let mut found: Vec<i32> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|id| read(*id, "cgroup").contains(pod_uid))
        .filter(|id| read(*id, "cmdline").replace('\0', " ").contains(words))
        .collect();
    found.sort_unstable();
    found
        .into_iter()
        .map(|id| Pid::from_raw(id).unwrap())
        .collect()
}

/// A file of a process; empty where the process has ended.
fn read(id: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Signals the ranks of a training pod; gives how many there were.
pub fn signal_ranks(pod_uid: &str, signal: Signal) -> usize {
    let ranks = processes(pod_uid, "splade-job train ");
    for rank in &ranks {
        kill_process(*rank, signal).unwrap();
    }
    ranks.len()
}

/// Signals the youngest rank of a training pod; false where none runs.
pub fn signal_one_rank(pod_uid: &str, signal: Signal) -> bool {
    let ranks = processes(pod_uid, "splade-job train ");
    ranks
        .last()
        .is_some_and(|rank| kill_process(*rank, signal).is_ok())
}

/// Kills the operator in a pod; false where it had ended by then.
pub fn kill_operator(pod_uid: &str) -> bool {
    processes(pod_uid, "splade-operator run")
        .into_iter()
        .any(|id| kill_process(id, Signal::KILL).is_ok())
}
