//! SpladeBenchmark: what is observed, and what follows from it.

pub mod build;
mod dereference;
pub mod observed;
pub mod plan;
pub mod validate;

pub use observed::{ModelTraining, Observed};
pub use plan::plan;
pub use validate::{InvalidBenchmark, ValidBenchmark};
