//! A small cluster: it keeps what the operator writes and does what Kubernetes does with it.
#![allow(dead_code, clippy::unwrap_used)] // each test binary uses its own part

pub mod cluster;
pub mod faults;
mod job_controller;
pub mod life;
pub mod manifest;
pub mod merge;
pub mod objects;
pub mod pods;
pub mod row;
pub mod world;

use k8s_openapi::jiff::Timestamp;

/// A moment to begin at.
pub fn start() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

/// A trace context.
pub const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
