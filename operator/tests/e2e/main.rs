//! The operator on a real cluster: installed by Helm, with job pods of the real image, S3 and a collector. `make
//! test-e2e` starts that cluster; the tests run one after another, each in a namespace of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy does not recognise as tests

mod chaos;
mod chart;
mod cluster;
mod failures;
mod interruptions;
mod life;
mod nodes;
mod operator;
mod processes;
mod queue;
mod quickstart;
mod recipe;
mod team;
mod traces;
