//! Gradients averaged over the ranks while backward still runs.

use crate::bridge::ffi;
use crate::{NativeError, ProcessGroup, address, addresses};
use cxx::UniquePtr;
use std::fmt::Write;
use tch::Tensor;

/// Averages gradients as PyTorch's `DistributedDataParallel`: in buckets (1 MiB first, then 25 MiB), each on its way as
/// soon as backward has filled it.
///
/// Gradients become views into the buckets: zero them in place, never replace them.
pub struct Reducer {
    reducer: UniquePtr<ffi::Reducer>,
    names: Vec<String>,
    me: String,
}

impl Reducer {
    /// Checks that every rank has the same parameters, and gives all of them the values of rank 0.
    ///
    /// # Errors
    /// Parameters that differ from rank 0's in name, type or shape: every rank's error names the rank and the parameter.
    /// A parameter that is no leaf, requires no gradient or lies on another device. No parameters. What a collective
    /// can fail with.
    pub fn new(
        group: &ProcessGroup,
        parameters: &[Tensor],
        names: &[String],
    ) -> Result<Self, NativeError> {
        let me = group.me();
        if names.len() != parameters.len() {
            let (names, parameters) = (names.len(), parameters.len());
            let message = format!("{me}: {names} names for {parameters} parameters");
            return Err(NativeError::Distributed(message));
        }
        compare_with_rank_0(group, &describe(parameters, names), &me)?;
        let mut values: Vec<Tensor> = parameters.iter().map(Tensor::shallow_clone).collect();
        group.broadcast("the parameters", &mut values, 0)?;
        // SAFETY: the parameters are borrowed for the whole call; libtorch keeps references of its own.
        let reducer = unsafe { ffi::new_reducer(group.native(), &addresses(parameters))? };
        Ok(Self {
            reducer,
            names: names.to_vec(),
            me,
        })
    }

    /// Runs backward from `loss`, a scalar. Afterwards each parameter's gradient, with what it had accumulated before,
    /// is the mean over the ranks, bit for bit the same on each.
    ///
    /// A plain `loss.f_backward()` accumulates gradients on this rank alone: use that for all but the last micro-step
    /// of an accumulation window (`no_sync` in PyTorch).
    ///
    /// # Errors
    /// A parameter that `loss` does not reach, by name: the other ranks would wait for its gradient. What backward and
    /// collectives can fail with. After an error the ranks are out of step.
    pub fn backward(&mut self, loss: &Tensor) -> Result<(), NativeError> {
        // SAFETY: the loss is borrowed for the whole call.
        let unreached = unsafe { self.reducer.pin_mut().backward(address(loss)) }
            .map_err(NativeError::distributed)?;
        if unreached.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unreached
            .iter()
            .filter_map(|&index| self.names.get(index).map(String::as_str))
            .collect();
        Err(NativeError::Distributed(format!(
            "{}: all_reduce of gradients: the loss does not depend on {}; \
             leave out of the reducer what is not trained",
            self.me,
            names.join(", ")
        )))
    }
}

impl std::fmt::Debug for Reducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reducer")
            .field("parameters", &self.names.len())
            .finish_non_exhaustive()
    }
}

/// One line a parameter.
fn describe(parameters: &[Tensor], names: &[String]) -> String {
    let mut description = String::new();
    for (name, parameter) in names.iter().zip(parameters) {
        let (kind, shape) = (parameter.kind(), parameter.size());
        // Writing to a string cannot fail.
        let _ = writeln!(description, "{name} {kind:?} {shape:?}");
    }
    description
}

/// Fails on every rank, with the same message, where some rank's description differs from rank 0's.
fn compare_with_rank_0(
    group: &ProcessGroup,
    description: &str,
    me: &str,
) -> Result<(), NativeError> {
    let store = group.store();
    let number = group.count_reducer();
    let description_key = format!("reducer/{number}/parameters");
    let verdict_key = |rank: usize| format!("reducer/{number}/verdict/{rank}");
    if group.rank() == 0 {
        store.set(&description_key, description)?;
    }
    let reference = store.get(&description_key)?;
    let verdict = first_difference(description, &reference);
    store.set(&verdict_key(group.rank()), &verdict.unwrap_or_default())?;
    for rank in 0..group.world_size() {
        let verdict = store.get(&verdict_key(rank))?;
        if !verdict.is_empty() {
            return Err(NativeError::Distributed(format!(
                "{me}: the parameters of rank {rank} are not those of rank 0: {verdict}"
            )));
        }
    }
    Ok(())
}

/// The first line in which two descriptions differ.
fn first_difference(mine: &str, reference: &str) -> Option<String> {
    let (mut mine, mut reference) = (mine.lines(), reference.lines());
    loop {
        match (mine.next(), reference.next()) {
            (None, None) => return None,
            (one, other) if one == other => {}
            (one, other) => {
                let or_none = |line: Option<&str>| line.unwrap_or("nothing").to_owned();
                return Some(format!("{} instead of {}", or_none(one), or_none(other)));
            }
        }
    }
}
