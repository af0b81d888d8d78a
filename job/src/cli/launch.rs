//! `splade-job launch`: the ranks of one node of a gang, each a `splade-job train` of the same manifest.

use super::failure::Failure;
use super::last_words::LastWords;
use super::manifest::{planned_trainings, read};
use super::signals;
use crate::pipeline::fetch;
use crate::training::Interrupt;
use clap::Args;
use splade_crds::manifest::Resource;
use splade_launch::{Conclusion, Flags, Gang, Limits, Shape, TerminationLog, launch};
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
    /// Which of them this is, from 0 [default: PET_NODE_RANK, then JOB_COMPLETION_INDEX].
    #[arg(long)]
    node_rank: Option<u32>,
    /// Ranks to start here [default: PET_NPROC_PER_NODE, then gang.devicesPerNode].
    #[arg(long)]
    ranks_per_node: Option<u32>,
    /// Address of node 0 [default: PET_MASTER_ADDR, then MASTER_ADDR].
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
    pub fn run(self) -> Result<(), Failure> {
        let log = TerminationLog::new(self.termination_log.clone());
        match log.conclude(|| self.conclude()).failure {
            None => Ok(()),
            Some(failure) => Err(Failure::new(failure.class, failure)),
        }
    }

    fn conclude(&self) -> Conclusion {
        // Until the ranks run, a signal ends this process at once; then they are asked to save.
        let interrupt = Arc::new(Interrupt::default());
        let last_words = LastWords::new(self.termination_log.as_deref());
        let planned = signals::watch(&interrupt, Some(&last_words)).and_then(|()| self.plan());
        let _answering = interrupt.answering();
        match planned {
            Ok((gang, limits, rank)) => launch(&gang, &limits, |_| {
                let mut command = Command::new(&rank);
                command.arg("train").arg("--file").arg(&self.file);
                if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                    && std::env::var_os(STATUS_ADDRESS).is_none()
                {
                    command.env(STATUS_ADDRESS, STATUS_ADDRESS_IN_A_POD);
                }
                command
            }),
            Err(failure) => splade_launch::Failure::new(failure.class, failure).into(),
        }
    }

    fn plan(&self) -> Result<(Gang, Limits, PathBuf), Failure> {
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
        // Once for all ranks of this node.
        for training in planned_trainings(&self.file)?.trainings {
            fetch(&training.fetches).map_err(Failure::fetch)?;
        }
        let rank = std::env::current_exe().map_err(Failure::software)?;
        Ok((gang, limits, rank))
    }
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
