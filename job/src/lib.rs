//! The job of splade-operator: what runs in a pod, or on a laptop.
//!
//! Rooms with one-way doors, from the bottom: [`digest`]; [`model`], [`distributed`]; [`losses`], [`optimizer`],
//! [`checkpoint`], [`encoder`]; and the phases [`training`], [`export`] and [`benchmark`].

pub mod benchmark;
pub mod checkpoint;
pub mod cli;
pub mod digest;
pub mod distributed;
pub mod encoder;
pub mod export;
pub mod losses;
pub mod model;
pub mod optimizer;
pub mod pipeline;
pub mod training;
