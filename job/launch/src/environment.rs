//! The environment of a rank: torchrun's, and two variables of our own.

use crate::gang::Gang;
use std::path::Path;

/// Process id of the launcher, by which a rank knows whether its parent is still the one that started it.
pub(crate) const LAUNCHER_PID: &str = "SPLADE_LAUNCHER_PID";
/// The file in which a rank says how far it is.
pub(crate) const RANK_REPORT: &str = "SPLADE_RANK_REPORT";
const THREADS: &str = "OMP_NUM_THREADS";

/// Processor cores of this node, and whether somebody has chosen how many each rank uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    available: usize,
    chosen: bool,
}

impl Cores {
    /// Those that this process may use, by affinity and quota.
    pub(crate) fn of_this_process() -> Self {
        Self {
            available: std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            chosen: std::env::var_os(THREADS).is_some(),
        }
    }
}

/// Variables that the rank `local` of this node gets beside those it inherits.
pub(crate) fn variables(
    gang: &Gang,
    local: u32,
    report: &Path,
    cores: Cores,
) -> Vec<(&'static str, String)> {
    let ranks = gang.shape.ranks_per_node;
    let mut variables = vec![
        ("RANK", gang.rank(local).to_string()),
        ("LOCAL_RANK", local.to_string()),
        ("WORLD_SIZE", gang.world_size().to_string()),
        ("LOCAL_WORLD_SIZE", ranks.to_string()),
        ("GROUP_RANK", gang.node_rank.to_string()),
        ("MASTER_ADDR", gang.master_addr.clone()),
        ("MASTER_PORT", gang.master_port.to_string()),
        (LAUNCHER_PID, std::process::id().to_string()),
        (RANK_REPORT, report.to_string_lossy().into_owned()),
    ];
    // A rank alone has all cores without being told; several must share them.
    if ranks > 1 && !cores.chosen {
        let threads = (cores.available / ranks as usize).max(1);
        variables.push((THREADS, threads.to_string()));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gang::Shape;

    fn threads(ranks_per_node: u32, available: usize, chosen: bool) -> Option<String> {
        let gang = Gang {
            shape: Shape {
                nodes: 1,
                ranks_per_node,
            },
            node_rank: 0,
            master_addr: "127.0.0.1".into(),
            master_port: 1,
        };
        let cores = Cores { available, chosen };
        variables(&gang, 0, Path::new("report"), cores)
            .into_iter()
            .find_map(|(name, value)| (name == THREADS).then_some(value))
    }

    #[test]
    fn ranks_share_the_cores_unless_somebody_chose() {
        assert_eq!(threads(8, 96, false).as_deref(), Some("12"));
        assert_eq!(threads(8, 4, false).as_deref(), Some("1"));
        assert_eq!(threads(1, 96, false), None);
        assert_eq!(threads(8, 96, true), None);
    }
}
