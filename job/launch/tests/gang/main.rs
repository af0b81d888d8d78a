//! A launcher and its ranks as real processes: what they print, how they end, and that none is left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod environment;
mod failures;
mod harness;
mod leaving;
mod nodes;
mod orphans;
mod output;
mod termination;
