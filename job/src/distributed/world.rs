//! Who this process is among the ranks, by torchrun's environment variables.

use std::env::VarError;

/// This rank's place in the gang.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Rank over all nodes, from 0.
    pub rank: usize,
    /// Ranks over all nodes.
    pub size: usize,
    /// Rank on this node, which is also the number of its device.
    pub local_rank: usize,
    /// Where rank 0 keeps the store at which ranks meet.
    pub master: Master,
}

/// The meeting place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// An environment that names no place among ranks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    /// Some of the variables are set and this one is not.
    #[error("{0} is not set although WORLD_SIZE is: start ranks with `splade-job launch`")]
    Missing(&'static str),
    /// A variable that is no number.
    #[error("{name}={value:?} is not a whole number")]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// Numbers that do not fit together.
    #[error("RANK={rank} is not one of WORLD_SIZE={size} ranks")]
    Rank {
        /// RANK.
        rank: usize,
        /// WORLD_SIZE.
        size: usize,
    },
}

impl World {
    /// The place that the environment names; None where WORLD_SIZE is not set.
    ///
    /// # Errors
    /// Variables that are missing or do not fit together.
    pub fn from_environment() -> Result<Option<Self>, WorldError> {
        Self::from_variables(|name| match std::env::var(name) {
            Ok(value) => Some(value),
            Err(VarError::NotPresent) => None,
            Err(VarError::NotUnicode(value)) => Some(value.to_string_lossy().into_owned()),
        })
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Option<Self>, WorldError> {
        if variable("WORLD_SIZE").is_none() {
            return Ok(None);
        }
        let text = |name| variable(name).ok_or(WorldError::Missing(name));
        let (rank, size) = (
            number("RANK", text("RANK")?)?,
            number("WORLD_SIZE", text("WORLD_SIZE")?)?,
        );
        if rank >= size {
            return Err(WorldError::Rank { rank, size });
        }
        Ok(Some(Self {
            rank,
            size,
            local_rank: number("LOCAL_RANK", text("LOCAL_RANK")?)?,
            master: Master {
                host: text("MASTER_ADDR")?,
                port: number("MASTER_PORT", text("MASTER_PORT")?)?,
            },
        }))
    }
}

fn number<N: std::str::FromStr>(name: &'static str, value: String) -> Result<N, WorldError> {
    value
        .parse()
        .map_err(|_| WorldError::NotANumber { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(variables: &[(&str, &str)]) -> Result<Option<World>, WorldError> {
        World::from_variables(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    const TORCHRUN: [(&str, &str); 5] = [
        ("RANK", "5"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_RANK", "1"),
        ("MASTER_ADDR", "korean-v33-a1-0"),
        ("MASTER_PORT", "29500"),
    ];

    #[test]
    fn reads_the_environment_of_torchrun() {
        let master = Master {
            host: "korean-v33-a1-0".into(),
            port: 29500,
        };
        let expected = World {
            rank: 5,
            size: 8,
            local_rank: 1,
            master,
        };
        assert_eq!(world(&TORCHRUN), Ok(Some(expected)));
        assert_eq!(world(&[]), Ok(None));
        assert_eq!(world(&TORCHRUN[..1]), Ok(None), "RANK alone says nothing");
    }

    #[test]
    fn refuses_an_environment_that_is_half_there() {
        assert_eq!(
            world(&TORCHRUN[..4]),
            Err(WorldError::Missing("MASTER_PORT"))
        );
        let mut wrong = TORCHRUN;
        wrong[0].1 = "8";
        assert_eq!(world(&wrong), Err(WorldError::Rank { rank: 8, size: 8 }));
        wrong[0].1 = "-1";
        let error = world(&wrong).unwrap_err().to_string();
        assert_eq!(error, "RANK=\"-1\" is not a whole number");
    }
}
