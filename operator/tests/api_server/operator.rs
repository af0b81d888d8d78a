//! An operator under test: the real program, and what its metrics say.

use crate::control_plane::ControlPlane;
use crate::wait::until;
use rustix::process::{Pid, Signal, kill_process};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running operator.
pub struct Operator {
    process: Child,
    address: String,
}

impl Operator {
    /// Starts one under a name.
    pub async fn start(plane: &ControlPlane, identity: &str) -> Self {
        Self::start_with(plane, identity, &[]).await
    }

    /// As [`Operator::start`], with variables in its environment.
    pub async fn start_with(
        plane: &ControlPlane,
        identity: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(env!("CARGO_BIN_EXE_splade-operator"))
            .args([
                "run",
                "--job-image",
                "job:test",
                "--identity",
                identity,
                "--http-address",
                &address,
            ])
            .env("KUBECONFIG", &plane.kubeconfig)
            .env("RUST_LOG", "error")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let operator = Self { process, address };
        until("the operator is ready", || async {
            operator.get("/readyz").filter(|answer| answer == "ok\n")
        })
        .await;
        operator
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut answer = ureq::get(format!("http://{}{path}", self.address))
            .call()
            .ok()?;
        answer.body_mut().read_to_string().ok()
    }

    /// The sum of a metric over all series that have these labels.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let text = self.get("/metrics").unwrap_or_default();
        let wanted: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}=\"{value}\""))
            .collect();
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .filter(|(series, _)| wanted.iter().all(|label| series.contains(label)))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .sum()
    }

    /// Requests to the API server so far, but for those of the lease.
    pub fn requests(&self) -> f64 {
        self.metric("splade_operator_api_requests_total", &[])
            - self.metric(
                "splade_operator_api_requests_total",
                &[("resource", "leases")],
            )
    }

    pub fn leads(&self) -> bool {
        self.metric("splade_operator_leader", &[]) > 0.0
    }

    /// Renewals of the lease so far.
    pub fn renewals(&self) -> f64 {
        let labels = [("resource", "leases"), ("verb", "update"), ("result", "ok")];
        self.metric("splade_operator_api_requests_total", &labels)
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.process.wait().unwrap()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
