//! What the ranks of a training do together. A training of one rank needs no partners: everything then stays here.

use super::World;
use crate::model::Parameters;
use serde::{Serialize, de::DeserializeOwned};
use splade_native::{Backend, NativeError, ProcessGroup, Reducer, Rendezvous, set_device};
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// The ranks of one training, as one of them sees them.
#[derive(Debug)]
pub struct Gang {
    rank: usize,
    size: usize,
    device: Device,
    /// None for a training of one rank.
    group: Option<ProcessGroup>,
}

/// Ranks that cannot agree.
#[derive(Debug, thiserror::Error)]
pub enum GangError {
    /// A collective operation.
    #[error(transparent)]
    Native(#[from] NativeError),
    /// libtorch.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// What rank 0 sent is no value of the type that this rank expects.
    #[error("rank 0 runs another version of splade-job: {0}")]
    Foreign(#[from] serde_json::Error),
}

impl Gang {
    /// A training of one rank.
    pub fn solo(device: Device) -> Self {
        Self {
            rank: 0,
            size: 1,
            device,
            group: None,
        }
    }

    /// Meets the other ranks, over NCCL where the device is a GPU and over Gloo on CPUs. Every wait for the others,
    /// this one among them, ends after `timeout`.
    ///
    /// # Errors
    /// Ranks that do not come in time.
    pub fn join(world: &World, device: Device, timeout: Duration) -> Result<Self, GangError> {
        if world.size == 1 {
            return Ok(Self::solo(device));
        }
        let rendezvous = Rendezvous {
            host: world.master.host.clone(),
            port: world.master.port,
            rank: world.rank,
            world_size: world.size,
            timeout,
        };
        let backend = match device {
            Device::Cuda(device) => {
                // What is allocated without naming a device belongs on this rank's, not on the first.
                set_device(device)?;
                Backend::Nccl { device }
            }
            _ => Backend::Gloo,
        };
        Ok(Self {
            rank: world.rank,
            size: world.size,
            device,
            group: Some(ProcessGroup::join(&rendezvous, backend)?),
        })
    }

    /// This rank, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Where this rank computes.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Whether this is rank 0, which alone writes checkpoints and logs.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Waits until all ranks have come here.
    ///
    /// # Errors
    /// A rank that does not come in time.
    pub fn barrier(&self, place: &str) -> Result<(), GangError> {
        if let Some(group) = &self.group {
            group.barrier(place)?;
        }
        Ok(())
    }

    /// The rows of all ranks, rank by rank, `[size * rows, ...]`; every rank gives the same shape. Differentiable: a
    /// rank's gradient is the sum of those that all ranks have for its rows.
    ///
    /// # Errors
    /// A rank that does not answer.
    pub fn gather_rows(&self, rows: &Tensor) -> Result<Tensor, GangError> {
        Ok(match &self.group {
            Some(group) => group.gather_rows("representations", rows)?,
            None => rows.shallow_clone(),
        })
    }

    /// As [`Gang::gather_rows`], without gradient. `what` names them in errors.
    ///
    /// # Errors
    /// A rank that does not answer.
    pub fn all_gather(&self, what: &str, rows: &Tensor) -> Result<Tensor, GangError> {
        Ok(match &self.group {
            Some(group) => group.all_gather(what, &rows.detach())?,
            None => rows.detach(),
        })
    }

    /// The sum over ranks, without gradient. `what` names it in errors.
    ///
    /// # Errors
    /// A rank that does not answer.
    pub fn sum(&self, what: &str, tensor: &Tensor) -> Result<Tensor, GangError> {
        let mut sum = tensor.detach().copy();
        if let Some(group) = &self.group {
            group.all_reduce_sum(what, &mut sum)?;
        }
        Ok(sum)
    }

    /// Overwrites these tensors with those of rank 0. `what` names them in errors.
    ///
    /// # Errors
    /// A rank that does not answer.
    pub fn copy_from_first(&self, what: &str, tensors: &mut [Tensor]) -> Result<(), GangError> {
        if let Some(group) = &self.group {
            tch::no_grad(|| group.broadcast(what, tensors, 0))?;
        }
        Ok(())
    }

    /// The value that rank 0 has, in the place of what this rank has. `what` names it in errors.
    ///
    /// # Errors
    /// A rank that does not answer, or another version of this program.
    pub fn value_of_first<T>(&self, what: &str, value: &T) -> Result<T, GangError>
    where
        T: Serialize + DeserializeOwned,
    {
        let text = serde_json::to_vec(value)?;
        let Some(group) = &self.group else {
            return Ok(serde_json::from_slice(&text)?);
        };
        let mut length = [Tensor::from(text.len() as i64).to(self.device)];
        group.broadcast(what, &mut length, 0)?;
        let length = length[0].f_int64_value(&[])?;
        let mut bytes = [if self.is_first() {
            Tensor::from_slice(&text).to(self.device)
        } else {
            Tensor::zeros([length], (Kind::Uint8, self.device))
        }];
        group.broadcast(what, &mut bytes, 0)?;
        let text: Vec<u8> = Vec::try_from(&bytes[0].to(Device::Cpu))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// What averages the gradients of these parameters over ranks during the backward pass, after giving every rank
    /// the values of rank 0. None for a training of one rank.
    ///
    /// # Errors
    /// Ranks whose parameters differ in name or shape.
    pub fn reducer(&self, parameters: &Parameters) -> Result<Option<Reducer>, GangError> {
        let Some(group) = &self.group else {
            return Ok(None);
        };
        let (names, tensors): (Vec<String>, Vec<Tensor>) = parameters
            .iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone()))
            .unzip();
        Ok(Some(Reducer::new(group, &tensors, &names)?))
    }
}
