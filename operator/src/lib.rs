//! The operator of SpladeTraining and SpladeBenchmark.
//!
//! The core is pure: what is observed goes in, the new status and a list of effects come out
//! (`training::plan`, `benchmark::plan`). Reading from and writing to the cluster happens around it.

pub mod attempts;
pub mod benchmark;
pub mod conditions;
pub mod effect;
pub mod labels;
pub mod names;
pub mod objects;
pub mod pods;
pub mod settings;
pub mod time;
pub mod training;
pub mod validate;
