//! What a run tells: log lines, a progress bar, TensorBoard event files, and how much memory it took.

mod memory;
mod metrics_log;
mod progress;
mod tensorboard;

pub use memory::{peak_resident_bytes, total_memory_bytes};
pub use metrics_log::MetricsLog;
pub use progress::{Progress, format_duration, start_logging};
pub use tensorboard::EventFile;
