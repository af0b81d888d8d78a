mod always_ends;
mod nodes;
mod one_node;

use super::*;
use crate::exit::End;
use crate::gang::Shape;
use crate::report::{Phase, RankError};
use signal_hook::consts::{SIGKILL, SIGTERM};

const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        stall: 100 * SECOND,
        stop: 30 * SECOND,
        grace: 2 * SECOND,
        finish: 60 * SECOND,
        silence: 30 * SECOND,
    }
}

fn launcher(nodes: u32, node_rank: u32) -> (Supervisor, Vec<Action>) {
    let gang = Gang {
        shape: Shape {
            nodes,
            ranks_per_node: 2,
        },
        node_rank,
        master_addr: "127.0.0.1".into(),
        master_port: 1,
    };
    Supervisor::new(gang, limits())
}

fn end(local: u32, end: End) -> RankEnd {
    RankEnd {
        local,
        end,
        out_of_memory: false,
        last_line: String::new(),
    }
}

fn ended(local: u32, how: End) -> Observation {
    Observation::Ended(vec![end(local, how)])
}

fn said(node: u32, message: Message) -> Observation {
    Observation::Peer(PeerEvent::Said { node, message })
}

fn lost(node: u32) -> Observation {
    Observation::Peer(PeerEvent::Lost {
        node,
        reason: "gone".into(),
    })
}

fn report(step: u64, error: Option<ExitClass>) -> RankReport {
    RankReport {
        phase: Phase::Training,
        step,
        error: error.map(|class| RankError {
            class,
            message: "said so".into(),
        }),
        updated: step,
        ..RankReport::default()
    }
}

fn code(supervisor: &Supervisor) -> u8 {
    assert!(supervisor.is_over());
    supervisor
        .failure()
        .map_or(0, |failure| failure.class.code())
}
