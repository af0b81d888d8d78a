//! A copy of all that a checkpoint holds, taken in an instant, so that training can go on while it is written.

use super::{CheckpointError, Manifest};
use crate::model::{Parameters, StoredKind, write_safetensors};
use crate::optimizer::Optimizer;
use serde::Serialize;
use std::fs;
use std::path::Path;
use tch::Tensor;

/// File of the weights.
pub(super) const MODEL: &str = "model.safetensors";
/// File of the moments.
pub(super) const OPTIMIZER: &str = "optimizer-00000.safetensors";
/// File of the run's own state.
pub(super) const STATE: &str = "state.json";
/// All of them, in the order in which they are stored.
pub(super) const FILES: [&str; 3] = [MODEL, OPTIMIZER, STATE];

/// Weights, moments and state at one step, in host memory.
#[derive(Debug)]
pub struct Snapshot {
    /// Optimizer steps done.
    pub step: u64,
    /// Whether a later snapshot must not take its place while storage is away.
    pub is_best: bool,
    model: Vec<(String, Tensor)>,
    optimizer: Vec<(String, Tensor)>,
    state: Vec<u8>,
}

impl Snapshot {
    /// Copies everything. This is what a checkpoint costs the training itself.
    ///
    /// # Errors
    /// libtorch out of memory.
    pub fn take(
        step: u64,
        is_best: bool,
        parameters: &Parameters,
        optimizer: &Optimizer,
        state: &impl Serialize,
    ) -> Result<Self, CheckpointError> {
        let (names, tensors): (Vec<String>, Vec<Tensor>) = parameters
            .iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.detach()))
            .chain(
                optimizer
                    .state()
                    .map(|(name, moment)| (name, moment.detach())),
            )
            .unzip();
        let copies =
            splade_native::snapshot_to_host(&tensors).map_err(crate::model::ModelError::from)?;
        let mut model: Vec<(String, Tensor)> = names.into_iter().zip(copies).collect();
        let optimizer = model.split_off(parameters.iter().count());
        let state = serde_json::to_vec_pretty(state)
            .map_err(|error| CheckpointError::content(STATE, error))?;
        Ok(Self {
            step,
            is_best,
            model,
            optimizer,
            state,
        })
    }

    /// One of a model without parameters, which is enough for whoever only stores it.
    #[cfg(test)]
    pub(super) fn without_tensors(step: u64) -> Self {
        Self {
            step,
            is_best: false,
            model: Vec::new(),
            optimizer: Vec::new(),
            state: b"{}".to_vec(),
        }
    }

    /// Writes the files into a folder, and their manifest to the caller.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write(&self, folder: &Path) -> Result<Manifest, CheckpointError> {
        for (name, tensors) in [(MODEL, &self.model), (OPTIMIZER, &self.optimizer)] {
            let tensors = tensors.iter().map(|(name, tensor)| (name.clone(), tensor));
            write_safetensors(&folder.join(name), tensors, StoredKind::Float)?;
        }
        let path = folder.join(STATE);
        fs::write(&path, &self.state).map_err(|error| CheckpointError::io(&path, error))?;
        Manifest::of(folder, &FILES)
    }
}
