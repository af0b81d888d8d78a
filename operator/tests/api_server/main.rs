//! The operator against a real API server: etcd and kube-apiserver on this machine's loopback, without controllers or
//! nodes. `SPLADE_KUBERNETES_BIN` names the folder with both programs, `SPLADE_TOOLS` that with
//! a collector.

#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests, which clippy does not recognise as tests

mod control_plane;
mod errors;
mod leaders;
mod lives;
mod operator;
mod rules;
#[path = "../../../crds/tests/common/specs.rs"]
mod specs;
mod traces;
mod wait;
#[path = "../../../job/telemetry/tests/common/mod.rs"]
mod watch;
