//! The operator of SpladeTraining and SpladeBenchmark.
//!
//! The core is pure: what is observed goes in, the new status and a list of effects come out
//! (`training::plan`, `benchmark::plan`). Reading from and writing to the cluster happens around it: [`cache`] watches,
//! [`controller`] writes, [`leader`] says who may, [`progress`] asks running trainings, and [`operator`] holds them together.

pub mod api;
pub mod attempts;
pub mod benchmark;
pub mod cache;
pub mod cli;
pub mod conditions;
pub mod controller;
mod draft;
pub mod effect;
pub mod http;
pub mod labels;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod objects;
pub mod operator;
pub mod pods;
pub mod progress;
pub mod server;
pub mod settings;
pub mod time;
pub mod training;
pub mod validate;
