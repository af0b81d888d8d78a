//! What a run tells: log lines, a progress bar, TensorBoard event files, traces, metrics, and a page to ask where it
//! stands. `docs/observability.md` describes it for users.
//!
//! [`Telemetry`] starts logging and sends traces; [`spans`] is the vocabulary of the traces; [`Progress`] is what the
//! training reports to and [`serve`] shows to others.

mod environment;
mod gpu;
mod logs;
mod machine;
mod memory;
mod metrics_log;
mod progress;
mod progress_bar;
mod rank;
pub mod spans;
mod status;
mod tensorboard;
mod traces;

pub use environment::relevant_variables;
pub use gpu::{Gpu, Gpus};
pub use machine::{Cpu, cpu, kernel, operating_system};
pub use memory::{memory_limit_bytes, peak_resident_bytes, total_memory_bytes};
pub use metrics_log::MetricsLog;
pub use progress::{
    ActiveDimensions, CheckpointRecord, EvaluationRecord, Phase, Progress, ProgressReport,
    StepReport, TrainingStart,
};
pub use progress_bar::{ProgressBar, format_duration};
pub use rank::Rank;
pub use status::{StatusError, StatusServer, serve, serve_by_environment, serve_with};
pub use tensorboard::EventFile;
pub use traces::{Roots, TRACEPARENT, Telemetry, TraceError, Traces};
