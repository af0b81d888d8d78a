//! Starts the ranks of a gang, one for each device of a node, watches them, and ends them together.
//!
//! [`launch`] is the launcher of one node; [`Gang`] says which; [`TerminationLog`] writes down how it ended. A rank ties
//! itself to its launcher with [`die_with_parent`] and tells it how far it is through a [`Reporter`].
//!
//! A gang lives and dies as one: the first failure on any node ends all ranks of all nodes, and every launcher leaves
//! with the exit code of that failure. Nothing here knows what the ranks compute.

mod environment;
mod exit;
mod failure;
mod gang;
mod launch;
mod limits;
mod memory;
mod output;
mod parent;
mod peers;
mod rank;
mod report;
mod signals;
mod supervisor;
mod termination;
mod text;

pub use exit::ExitClass;
pub use failure::{Cause, Failure};
pub use gang::{Flags, Gang, GangError, Shape};
pub use launch::{Conclusion, launch};
pub use limits::Limits;
pub use parent::{OrphanError, die_with_parent};
pub use report::{Phase, RankError, RankReport, Reporter};
pub use supervisor::Standing;
pub use termination::{
    MAX_TERMINATION_BYTES, ModelMessage, Outcome, TerminationError, TerminationLog,
    TerminationMessage,
};
