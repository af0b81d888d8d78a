//! SpladeBenchmark: what is observed, and what follows from it.

pub mod observed;
pub mod plan;

pub use observed::{ModelTraining, Observed};
pub use plan::plan;
