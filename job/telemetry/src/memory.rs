//! Memory of this process, its container and its machine, as Linux tells it.

use std::path::Path;

/// The most resident memory this process has had, in bytes. None where `/proc` does not say.
pub fn peak_resident_bytes() -> Option<u64> {
    kibibytes(Path::new("/proc/self/status"), "VmHWM:")
}

/// Memory of this machine, in bytes. None where `/proc` does not say.
pub fn total_memory_bytes() -> Option<u64> {
    kibibytes(Path::new("/proc/meminfo"), "MemTotal:")
}

/// The least memory limit, in bytes, of the control groups that this process is in. None without a limit.
pub fn memory_limit_bytes() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = groups.lines().filter_map(|line| {
        // `<hierarchy>:<controllers>:<path>`; version 2 has no controllers in its line.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "" => least_limit("/sys/fs/cgroup", path, "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                least_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// The least limit of a group and those above it. In a container the mount may be the group itself, so the path that
/// the kernel tells need not exist; the root of the mount always does.
fn least_limit(mount: &str, group: &str, file: &str) -> Option<u64> {
    let inside = Path::new(group.trim_start_matches('/'));
    let limits = inside.ancestors().filter_map(|group| {
        let text = std::fs::read_to_string(Path::new(mount).join(group).join(file)).ok()?;
        text.trim().parse().ok()
    });
    // Version 1 says "no limit" by a number beyond any machine.
    let machine = total_memory_bytes().unwrap_or(u64::MAX);
    limits.filter(|&limit: &u64| limit < machine).min()
}

fn kibibytes(path: &Path, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
