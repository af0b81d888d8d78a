//! What is known of the launchers of the other nodes.

use crate::gang::Gang;
use std::collections::BTreeSet;

/// What is known of the launchers of the other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// There are none.
    None,
    /// On node 0: all others.
    Members {
        /// Have not come yet.
        missing: BTreeSet<u32>,
        /// Have come, and have ranks that run or may start.
        running: BTreeSet<u32>,
    },
    /// On every other node: node 0.
    Lead(Lead),
}

/// What is known of the launcher of node 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// It has not been reached yet.
    Away,
    /// It can be heard.
    Here,
    /// It has told how the gang ended.
    Settled,
    /// It cannot be heard any more.
    Gone,
}

impl Others {
    pub(super) fn of(gang: &Gang) -> Self {
        match (gang.shape.nodes, gang.node_rank) {
            (1, _) => Self::None,
            (nodes, 0) => Self::Members {
                missing: (1..nodes).collect(),
                running: BTreeSet::new(),
            },
            _ => Self::Lead(Lead::Away),
        }
    }

    /// A node has come.
    pub(super) fn join(&mut self, node: u32) {
        match self {
            Self::None => {}
            Self::Members { missing, running } => {
                missing.remove(&node);
                running.insert(node);
            }
            Self::Lead(lead) => *lead = Lead::Here,
        }
    }

    /// Whether this is node 0 and all others have come.
    pub(super) fn are_complete(&self) -> bool {
        matches!(self, Self::Members { missing, .. } if missing.is_empty())
    }

    /// All ranks of a node have ended.
    pub(super) fn end(&mut self, node: u32) {
        if let Self::Members { running, .. } = self {
            running.remove(&node);
        }
    }

    /// A node cannot be heard any more; whether it left without taking leave.
    pub(super) fn lose(&mut self, node: u32) -> bool {
        match self {
            Self::None => false,
            Self::Members { running, .. } => running.remove(&node),
            Self::Lead(lead) => {
                let unexpected = matches!(lead, Lead::Away | Lead::Here);
                *lead = Lead::Gone;
                unexpected
            }
        }
    }

    pub(super) fn hear_verdict(&mut self) {
        if let Self::Lead(lead) = self {
            *lead = Lead::Settled;
        }
    }

    /// Whether nothing more is to be heard of a gang that ends.
    pub(super) fn are_done(&self) -> bool {
        match self {
            Self::None => true,
            Self::Members { running, .. } => running.is_empty(),
            Self::Lead(lead) => *lead != Lead::Here,
        }
    }

    /// Whether a node whose ranks all ended with success may leave: node 0 only after all others, since they hear of
    /// each other through it.
    pub(super) fn are_done_with_success(&self) -> bool {
        match self {
            Self::None | Self::Lead(_) => true,
            Self::Members { running, .. } => running.is_empty(),
        }
    }

    /// Whether it is node 0's to say that somebody does not come.
    pub(super) fn are_waited_for_by_node_0(&self) -> bool {
        *self == Self::Lead(Lead::Here)
    }

    /// What has not come, for a person.
    pub(super) fn missing(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Members { missing, .. } => nodes(missing),
            Self::Lead(Lead::Away) => "node 0".to_owned(),
            Self::Lead(_) => "node 0's word to start".to_owned(),
        }
    }

    /// Those that still run, for a person.
    pub(super) fn running(&self) -> String {
        match self {
            Self::Members { running, .. } if !running.is_empty() => nodes(running),
            _ => String::new(),
        }
    }
}

fn nodes(numbers: &BTreeSet<u32>) -> String {
    let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
    match list.len() {
        1 => format!("node {}", list[0]),
        _ => format!("nodes {}", list.join(", ")),
    }
}
