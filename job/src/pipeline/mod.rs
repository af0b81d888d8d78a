//! The phases of a manifest, one after another: training, export, benchmarks, leaderboard.

mod device;
mod export_phase;
mod leaderboard;
mod mirror;
mod needs;
mod ranks;
mod reports;
mod resolve;
mod run;

pub use leaderboard::{Row, leaderboard};
pub use mirror::{Fetch, FetchKind, MirrorError, fetch};
pub use needs::{Lack, Need, NeedError, NeedKind};
pub use ranks::{Ranks, starts_ranks};
pub use resolve::{
    Job, PlannedBenchmark, PlannedTraining, ResolveError, resolve, resolve_trainings,
};
pub use run::{ExportedModel, Phases, PipelineError, Results, run};
