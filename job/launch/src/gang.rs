//! The gang: how many nodes and ranks, which node this is, and where rank 0 listens.

use crate::exit::ExitClass;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;

/// Port of rank 0 where nothing else is said and several nodes must agree on one; torchrun's.
const DEFAULT_PORT: u16 = 29_500;
const NODES: RangeInclusive<u32> = 1..=1024;
const RANKS_PER_NODE: RangeInclusive<u32> = 1..=64;
/// The longest name of a host.
const MAX_ADDRESS_BYTES: usize = 253;

/// Nodes and ranks of a gang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Machines or pods, each with one launcher.
    pub nodes: u32,
    /// Ranks that each launcher starts.
    pub ranks_per_node: u32,
}

/// What the command line says. What it leaves out comes from the environment, and the shape then from the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--nodes`, else `PET_NNODES`.
    pub nodes: Option<u32>,
    /// `--node-rank`, else `PET_NODE_RANK`, else `JOB_COMPLETION_INDEX`.
    pub node_rank: Option<u32>,
    /// `--ranks-per-node`, else `PET_NPROC_PER_NODE`.
    pub ranks_per_node: Option<u32>,
    /// `--master-addr`, else `PET_MASTER_ADDR`, else `MASTER_ADDR`.
    pub master_addr: Option<String>,
    /// `--master-port`, else `PET_MASTER_PORT`, else `MASTER_PORT`.
    pub master_port: Option<u16>,
}

/// A gang, seen from one of its nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gang {
    pub(crate) shape: Shape,
    pub(crate) node_rank: u32,
    pub(crate) master_addr: String,
    pub(crate) master_port: u16,
}

/// A gang that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum GangError {
    /// A value outside its range.
    #[error("{name} is {value:?}; it must be a number from {least} to {most}")]
    Number {
        /// The flag, variable or field.
        name: &'static str,
        /// What it says.
        value: String,
        /// The least it may be.
        least: u32,
        /// The most it may be.
        most: u32,
    },
    /// One of several nodes, but which?
    #[error(
        "the gang has {nodes} nodes and nothing says which of them this is; give --node-rank from 0, \
         or --nodes 1 to run on this machine alone"
    )]
    WhichNode {
        /// Nodes of the gang.
        nodes: u32,
    },
    /// Several nodes, but where is the first?
    #[error("the gang has {nodes} nodes; give --master-addr, the address of node 0")]
    NoMaster {
        /// Nodes of the gang.
        nodes: u32,
    },
    /// An address that is none.
    #[error("{name} is {value:?}, which is no address of a machine")]
    Address {
        /// The flag or variable.
        name: &'static str,
        /// What it says.
        value: String,
    },
    /// No port is free.
    #[error("no port is free for rank 0: {0}; give --master-port")]
    NoPort(std::io::Error),
}

impl GangError {
    /// Every such mistake is one of the configuration: trying again does not help.
    pub fn class(&self) -> ExitClass {
        match self {
            Self::NoPort(_) => ExitClass::Temporary,
            _ => ExitClass::Configuration,
        }
    }
}

impl Gang {
    /// The gang that flags, environment and manifest describe, in this order of precedence.
    ///
    /// `environment` gives the value of a variable. On a single node without a port a free one is taken.
    ///
    /// # Errors
    /// Values out of range, or several nodes without the place of this one or the address of node 0.
    pub fn resolve(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<String>,
        manifest: Shape,
    ) -> Result<Self, GangError> {
        let source = Source { environment };
        let number = |flag: (&'static str, Option<u32>), variables: &[&'static str], range| {
            source.number(flag, variables, range)
        };
        let shape = Shape {
            nodes: number(("--nodes", flags.nodes), &["PET_NNODES"], NODES)?
                .unwrap_or(manifest.nodes),
            ranks_per_node: number(
                ("--ranks-per-node", flags.ranks_per_node),
                &["PET_NPROC_PER_NODE"],
                RANKS_PER_NODE,
            )?
            .unwrap_or(manifest.ranks_per_node),
        };
        let nodes = shape.nodes;
        let node_rank = number(
            ("--node-rank", flags.node_rank),
            &["PET_NODE_RANK", "JOB_COMPLETION_INDEX"],
            0..=nodes - 1,
        )?;
        // With several nodes the launchers talk on the port after that of rank 0.
        let last_port = u32::from(u16::MAX) - u32::from(nodes > 1);
        let port = number(
            ("--master-port", flags.master_port.map(u32::from)),
            &["PET_MASTER_PORT", "MASTER_PORT"],
            1..=last_port,
        )?;
        let address = source.address(flags.master_addr.as_deref())?;
        Ok(Self {
            shape,
            node_rank: match node_rank {
                Some(rank) => rank,
                None if nodes == 1 => 0,
                None => return Err(GangError::WhichNode { nodes }),
            },
            master_addr: match address {
                Some(address) => address,
                None if nodes == 1 => Ipv4Addr::LOCALHOST.to_string(),
                None => return Err(GangError::NoMaster { nodes }),
            },
            master_port: match port {
                // Within u16 by its range.
                Some(port) => port as u16,
                None if nodes == 1 => free_port().map_err(GangError::NoPort)?,
                None => DEFAULT_PORT,
            },
        })
    }

    /// Nodes, and ranks of each.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Which of the nodes this is, from 0.
    pub fn node_rank(&self) -> u32 {
        self.node_rank
    }

    /// Ranks of all nodes together.
    pub fn world_size(&self) -> u32 {
        self.shape.nodes * self.shape.ranks_per_node
    }

    /// The rank in the whole gang of this node's rank `local`.
    pub fn rank(&self, local: u32) -> u32 {
        self.node_rank * self.shape.ranks_per_node + local
    }

    /// Port on which the launcher of node 0 listens for the others.
    pub(crate) fn control_port(&self) -> u16 {
        self.master_port + 1
    }
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?
        .local_addr()?
        .port())
}

/// Where values come from when no flag gives them.
struct Source<E> {
    environment: E,
}

impl<E: Fn(&str) -> Option<String>> Source<E> {
    fn first(&self, variables: &[&'static str]) -> Option<(&'static str, String)> {
        variables
            .iter()
            .find_map(|name| Some((*name, (self.environment)(name)?)))
    }

    fn number(
        &self,
        (flag, given): (&'static str, Option<u32>),
        variables: &[&'static str],
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, GangError> {
        let found = match given {
            Some(number) => Some((flag, number.to_string())),
            None => self.first(variables),
        };
        let Some((name, value)) = found else {
            return Ok(None);
        };
        match value.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => Err(GangError::Number {
                name,
                value,
                least: *range.start(),
                most: *range.end(),
            }),
        }
    }

    fn address(&self, flag: Option<&str>) -> Result<Option<String>, GangError> {
        let found = match flag {
            Some(address) => Some(("--master-addr", address.to_owned())),
            None => self.first(&["PET_MASTER_ADDR", "MASTER_ADDR"]),
        };
        let Some((name, value)) = found else {
            return Ok(None);
        };
        let is_address = !value.is_empty()
            && value.len() <= MAX_ADDRESS_BYTES
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte));
        if is_address {
            Ok(Some(value))
        } else {
            Err(GangError::Address { name, value })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EIGHT: Shape = Shape {
        nodes: 1,
        ranks_per_node: 8,
    };

    fn resolve(
        flags: &Flags,
        environment: &[(&str, &str)],
        manifest: Shape,
    ) -> Result<Gang, GangError> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        Gang::resolve(flags, variable, manifest)
    }

    #[test]
    fn one_node_needs_nothing_said() {
        let gang = resolve(&Flags::default(), &[], EIGHT).unwrap();
        assert_eq!((gang.node_rank, gang.world_size()), (0, 8));
        assert_eq!(gang.master_addr, "127.0.0.1");
        assert_ne!(gang.master_port, 0);
    }

    #[test]
    fn an_indexed_job_says_it_all() {
        let manifest = Shape {
            nodes: 3,
            ranks_per_node: 4,
        };
        let environment = [
            ("JOB_COMPLETION_INDEX", "2"),
            ("MASTER_ADDR", "v33-a1-0.v33"),
        ];
        let gang = resolve(&Flags::default(), &environment, manifest).unwrap();
        assert_eq!((gang.rank(0), gang.rank(3), gang.world_size()), (8, 11, 12));
        assert_eq!(gang.master_addr, "v33-a1-0.v33");
        assert_eq!((gang.master_port, gang.control_port()), (29_500, 29_501));
    }

    #[test]
    fn flags_go_before_torchruns_variables_and_these_before_the_rest() {
        let environment = [
            ("PET_NNODES", "2"),
            ("PET_NPROC_PER_NODE", "3"),
            ("PET_NODE_RANK", "1"),
            ("JOB_COMPLETION_INDEX", "0"),
            ("PET_MASTER_ADDR", "pet"),
            ("MASTER_ADDR", "plain"),
            ("MASTER_PORT", "4000"),
        ];
        let from_environment = resolve(&Flags::default(), &environment, EIGHT).unwrap();
        assert_eq!(
            from_environment,
            Gang {
                shape: Shape {
                    nodes: 2,
                    ranks_per_node: 3
                },
                node_rank: 1,
                master_addr: "pet".into(),
                master_port: 4000,
            }
        );
        let flags = Flags {
            nodes: Some(4),
            node_rank: Some(3),
            ranks_per_node: Some(2),
            master_addr: Some("flag".into()),
            master_port: Some(5000),
        };
        let from_flags = resolve(&flags, &environment, EIGHT).unwrap();
        assert_eq!(
            (from_flags.rank(1), from_flags.master_addr.as_str()),
            (7, "flag")
        );
        assert_eq!(from_flags.master_port, 5000);
    }

    #[test]
    fn what_makes_no_gang_is_refused_by_name() {
        let two = Shape {
            nodes: 2,
            ranks_per_node: 1,
        };
        for (environment, manifest, expected) in [
            (
                vec![("JOB_COMPLETION_INDEX", "")],
                EIGHT,
                "JOB_COMPLETION_INDEX",
            ),
            (vec![("PET_NNODES", "1:4")], EIGHT, "PET_NNODES"),
            (
                vec![("PET_NPROC_PER_NODE", "gpu")],
                EIGHT,
                "PET_NPROC_PER_NODE",
            ),
            (vec![("PET_NODE_RANK", "2")], two, "from 0 to 1"),
            (vec![("MASTER_ADDR", "a host")], EIGHT, "a host"),
            (vec![("MASTER_ADDR", "")], EIGHT, "MASTER_ADDR"),
            (vec![("MASTER_PORT", "70000")], EIGHT, "MASTER_PORT"),
            (vec![("MASTER_PORT", "65535")], two, "65534"),
            (vec![], two, "--node-rank"),
            (vec![("JOB_COMPLETION_INDEX", "1")], two, "--master-addr"),
        ] {
            let error = resolve(&Flags::default(), &environment, manifest).unwrap_err();
            assert!(error.to_string().contains(expected), "{expected}: {error}");
            assert_eq!(error.class(), ExitClass::Configuration);
        }
        let flags = Flags {
            ranks_per_node: Some(0),
            ..Flags::default()
        };
        let error = resolve(&flags, &[], EIGHT).unwrap_err();
        assert!(error.to_string().contains("--ranks-per-node"), "{error}");
    }
}
