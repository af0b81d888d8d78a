//! A real S3 server, and a proxy that damages what passes through it, for the tests of other crates.
//!
//! [`Moto`] is the server of PyPI's `moto`, started as a process from the interpreter in `SPLADE_PYTHON`. [`Proxy`]
//! stands between it and a client and follows a plan: the next requests that match get a [`Fault`].
//!
//! Everything here panics where it fails: it is made for tests.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answer;
mod http;
mod moto;
mod plan;
mod proxy;

pub use http::Reply;
pub use moto::Moto;
pub use plan::{Fault, Injected, Requests, Times};
pub use proxy::Proxy;
