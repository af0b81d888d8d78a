//! Whether the kernel killed something here for want of memory.

use std::fs;
use std::path::{Path, PathBuf};

/// Watches how often the memory limit of this process's own cgroup (version 2) has killed.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    events: Option<PathBuf>,
    kills_before: u64,
}

impl MemoryLimit {
    /// Kills before now do not count.
    pub(crate) fn watch() -> Self {
        let events = fs::read_to_string("/proc/self/cgroup")
            .ok()
            .and_then(|text| events_file(&text));
        let kills_before = events.as_deref().map_or(0, kills);
        Self {
            events,
            kills_before,
        }
    }

    /// Whether the limit has killed since. False where there is no cgroup that would know.
    pub(crate) fn has_killed(&self) -> bool {
        self.events
            .as_deref()
            .is_some_and(|events| kills(events) > self.kills_before)
    }
}

fn events_file(cgroups: &str) -> Option<PathBuf> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path).join("memory.events"))
}

fn kills(events: &Path) -> u64 {
    fs::read_to_string(events).map_or(0, |text| kills_in(&text))
}

fn kills_in(events: &str) -> u64 {
    events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_counter_of_this_cgroup() {
        assert_eq!(
            events_file("12:cpuset:/\n0::/kubepods/pod1\n"),
            Some(PathBuf::from("/sys/fs/cgroup/kubepods/pod1/memory.events"))
        );
        assert_eq!(
            events_file("0::/\n"),
            Some(PathBuf::from("/sys/fs/cgroup/memory.events"))
        );
        assert_eq!(events_file("4:memory:/old\n"), None);
    }

    #[test]
    fn counts_kills_and_not_other_events() {
        let text = "low 0\nhigh 3\nmax 9\noom 4\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(kills_in(text), 2);
        assert_eq!(kills_in("oom 4\n"), 0);
    }
}
