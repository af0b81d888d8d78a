//! `splade-job launch`: the ranks of one node of a gang, each a `splade-job train` of the same manifest.

use super::failure::Failure;
use super::last_words::LastWords;
use super::manifest::{planned_trainings, read};
use super::signals;
use crate::pipeline::{Job, fetch};
use crate::training::{Answering, Interrupt};
use clap::Args;
use splade_crds::manifest::Resource;
use splade_launch::{Conclusion, Flags, Gang, Limits, Shape, TerminationLog, launch};
use splade_telemetry::{TRACEPARENT, Telemetry, Traces, spans};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// Where rank 0 answers who asks for its progress.
const STATUS_ADDRESS: &str = "SPLADE_STATUS_ADDRESS";
/// In a pod the operator asks, and Prometheus.
const STATUS_ADDRESS_IN_A_POD: &str = "0.0.0.0:9464";

/// Train with one rank for each device of this node, as part of a gang of nodes.
///
/// What no flag says comes from the environment (that of an Indexed Job, or torchrun's), and the shape of the gang at
/// last from the manifest.
#[derive(Debug, Args)]
pub struct Launch {
    /// The manifest: a SpladeTraining.
    #[arg(short, long = "file")]
    file: PathBuf,
    /// Nodes of the gang [default: PET_NNODES, then gang.nodes].
    #[arg(long)]
    nodes: Option<u32>,
    /// Which of them this is, from 0 [default: PET_NODE_RANK, then JOB_COMPLETION_INDEX, then 0 where there is
    /// one node].
    #[arg(long)]
    node_rank: Option<u32>,
    /// Ranks to start here [default: PET_NPROC_PER_NODE, then gang.devicesPerNode].
    #[arg(long)]
    ranks_per_node: Option<u32>,
    /// Address of node 0 [default: PET_MASTER_ADDR, then MASTER_ADDR, then 127.0.0.1 where there is one node].
    #[arg(long)]
    master_addr: Option<String>,
    /// Port of rank 0; with several nodes their launchers use the next one [default: PET_MASTER_PORT, then
    /// MASTER_PORT, then a free one, or 29500 with several nodes].
    #[arg(long)]
    master_port: Option<u16>,
    /// Where to write how it ended, as JSON [default: /dev/termination-log where there is one].
    #[arg(long)]
    termination_log: Option<PathBuf>,
}

impl Launch {
    /// Runs the ranks to their end.
    ///
    /// # Errors
    /// The first failure of the gang, with its class.
    pub fn run(self, telemetry: &Telemetry) -> Result<(), Failure> {
        let log = TerminationLog::new(self.termination_log.clone());
        let interrupt = Arc::new(Interrupt::default());
        let mut lasting = Lasting::default();
        let conclusion = log.conclude(|| {
            self.conclude(telemetry, &interrupt, &mut lasting)
                .unwrap_or_else(concluded)
        });
        match conclusion.failure {
            None => Ok(()),
            Some(failure) => Err(Failure::new(failure.class, failure)),
        }
    }

    fn conclude<'a>(
        &self,
        telemetry: &Telemetry,
        interrupt: &'a Arc<Interrupt>,
        lasting: &mut Lasting<'a>,
    ) -> Result<Conclusion, Failure> {
        // Until the ranks run, a signal ends this process at once; then they are asked to save.
        let last_words = LastWords::new(self.termination_log.as_deref());
        signals::watch(interrupt, Some(&last_words))?;
        let plan = self.plan()?;
        lasting.traces = telemetry
            .send_traces(plan.otlp_endpoint())
            .map_err(Failure::configuration)?;
        let shape = plan.gang.shape();
        let span = spans::launch(plan.gang.node_rank(), shape.nodes, shape.ranks_per_node);
        Ok(spans::inside(span, |span| {
            let conclusion = plan.fetch().map_or_else(concluded, |()| {
                lasting.answering = Some(interrupt.answering());
                plan.launch(&self.file)
            });
            let (outcome, failure) = (conclusion.outcome(), conclusion.failure.as_ref());
            spans::launched(span, outcome.name(), conclusion.exit_code(), failure);
            conclusion
        }))
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let (shape, limits) = described(&self.file)?;
        let flags = Flags {
            nodes: self.nodes,
            node_rank: self.node_rank,
            ranks_per_node: self.ranks_per_node,
            master_addr: self.master_addr.clone(),
            master_port: self.master_port,
        };
        let variable =
            |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let gang = Gang::resolve(&flags, variable, shape)
            .map_err(|error| Failure::new(error.class(), error))?;
        Ok(Plan {
            gang,
            limits,
            job: planned_trainings(&self.file)?,
            rank: std::env::current_exe().map_err(Failure::software)?,
        })
    }
}

/// What outlasts the ranks: it ends when the termination message is written, for which Kubernetes waits least.
#[derive(Default)]
struct Lasting<'a> {
    /// At its end the last spans are sent.
    traces: Option<Traces>,
    /// Until then signals do not change how this process ends.
    answering: Option<Answering<'a>>,
}

/// What is launched.
struct Plan {
    gang: Gang,
    limits: Limits,
    job: Job,
    /// The program that ranks run.
    rank: PathBuf,
}

impl Plan {
    /// Where the launcher's own span goes: several trainings have one launcher.
    fn otlp_endpoint(&self) -> Option<&str> {
        let mut trainings = self.job.trainings.iter();
        trainings.find_map(|training| training.otlp_endpoint.as_deref())
    }

    /// Fetches what the ranks need, once for all ranks of this node.
    fn fetch(&self) -> Result<(), Failure> {
        let mut trainings = self.job.trainings.iter();
        trainings.try_for_each(|training| fetch(&training.fetches).map_err(Failure::fetch))
    }

    fn launch(&self, file: &Path) -> Conclusion {
        launch(&self.gang, &self.limits, |_| {
            let mut command = Command::new(&self.rank);
            command.arg("train").arg("--file").arg(file);
            if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && std::env::var_os(STATUS_ADDRESS).is_none()
            {
                command.env(STATUS_ADDRESS, STATUS_ADDRESS_IN_A_POD);
            }
            command.envs(spans::traceparent().map(|context| (TRACEPARENT, context)));
            command
        })
    }
}

fn concluded(failure: Failure) -> Conclusion {
    splade_launch::Failure::new(failure.class, failure).into()
}

/// The gang and the limits that the trainings of a manifest ask for, all of them the same.
fn described(file: &Path) -> Result<(Shape, Limits), Failure> {
    let mut found = None;
    for resource in read(file)? {
        let Resource::Training(training) = resource else {
            continue;
        };
        let (gang, policy) = (&training.spec.gang, &training.spec.run_policy);
        let seconds = |count: u32| Duration::from_secs(count.into());
        let own = (
            Shape {
                nodes: gang.nodes,
                ranks_per_node: gang.devices_per_node,
            },
            Limits::new(
                seconds(policy.stall_timeout_seconds),
                seconds(policy.termination_timeout_seconds),
            ),
        );
        if *found.get_or_insert(own) != own {
            return Err(Failure::configuration(format!(
                "{}: the trainings of one launch must agree on gang.nodes, gang.devicesPerNode, \
                 runPolicy.stallTimeoutSeconds and runPolicy.terminationTimeoutSeconds; split the file",
                file.display()
            )));
        }
    }
    found.ok_or_else(|| {
        Failure::configuration(format!(
            "{}: there is no SpladeTraining to launch",
            file.display()
        ))
    })
}
