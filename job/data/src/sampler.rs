//! The order of an epoch and each rank's share of it, the same as PyTorch's.

use rand_mt::Mt;
use std::ops::Range;

use crate::error::{DataError, SamplerError};

/// From this length on, `torch.randperm` draws 64 bits a step and shuffles inside out (ATen, `randperm_cpu`).
const WIDE_FROM: u64 = u32::MAX as u64 / 20;

/// Shuffles all examples anew every epoch and hands each rank its share.
///
/// Equal to `torch.utils.data.DistributedSampler(shuffle=True, drop_last=False)`: a share is every `ranks`-th example
/// of `torch.randperm` under a CPU generator seeded with `seed + epoch`, and the order starts over where its length is
/// no multiple of `ranks`. All shares have the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DistributedSampler {
    len: u32,
    ranks: usize,
    seed: u64,
}

/// The order of one epoch, from which every rank's share can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochOrder {
    order: Vec<u32>,
    ranks: usize,
}

impl DistributedSampler {
    /// A sampler of `len` examples for `ranks` ranks.
    ///
    /// # Errors
    /// No ranks, or more examples than 32 bits can number.
    pub fn new(len: usize, ranks: usize, seed: u64) -> Result<Self, DataError> {
        if ranks == 0 {
            return Err(SamplerError::NoRanks.into());
        }
        let len = u32::try_from(len).map_err(|_| SamplerError::TooMany { len })?;
        Ok(Self { len, ranks, seed })
    }

    /// Examples in the share of one rank, the same for all.
    pub fn share(&self) -> usize {
        (self.len as usize).div_ceil(self.ranks)
    }

    /// The order of epoch `epoch` (from 0). `seed + epoch` wraps at 64 bits.
    pub fn epoch(&self, epoch: u64) -> EpochOrder {
        EpochOrder {
            order: randperm(self.len, self.seed.wrapping_add(epoch)),
            ranks: self.ranks,
        }
    }
}

impl EpochOrder {
    /// Indices of the examples at these places of the share of rank `rank`; places beyond its end have none.
    ///
    /// # Panics
    /// A rank outside the group.
    pub fn slice(&self, rank: usize, places: Range<usize>) -> Vec<u32> {
        assert!(rank < self.ranks, "rank {rank} of {}", self.ranks);
        let end = places.end.min(self.share());
        (places.start..end)
            .map(|place| self.order[(place * self.ranks + rank) % self.order.len()])
            .collect()
    }

    /// Examples in the share of one rank, the same for all.
    pub fn share(&self) -> usize {
        self.order.len().div_ceil(self.ranks)
    }

    /// Ranks that share the examples.
    pub fn ranks(&self) -> usize {
        self.ranks
    }
}

/// `torch.randperm(len, generator=torch.Generator().manual_seed(seed))`.
fn randperm(len: u32, seed: u64) -> Vec<u32> {
    // The generator is the 32-bit Mersenne Twister; it takes the low half of a seed.
    let mut generator = Mt::new(seed as u32);
    if u64::from(len) < WIDE_FROM {
        shuffled(len, &mut generator)
    } else {
        shuffled_inside_out(len, &mut generator)
    }
}

fn shuffled(len: u32, generator: &mut Mt) -> Vec<u32> {
    let mut order: Vec<u32> = (0..len).collect();
    for index in 0..len.saturating_sub(1) {
        let step = generator.next_u32() % (len - index);
        order.swap(index as usize, (index + step) as usize);
    }
    order
}

fn shuffled_inside_out(len: u32, generator: &mut Mt) -> Vec<u32> {
    let mut order = Vec::with_capacity(len as usize);
    for index in 0..len {
        let high = u64::from(generator.next_u32());
        let low = u64::from(generator.next_u32());
        let place = (high << 32 | low) % (u64::from(index) + 1);
        order.push(index);
        order.swap(index as usize, place as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Python: the 64-bit draws of `torch.Generator().manual_seed(42)`, seen through
    /// `torch.empty(12, dtype=torch.int64).random_(-2**63, None, generator=g)`, shuffled inside out by hand.
    #[test]
    fn shuffles_inside_out_with_the_draws_of_pytorch() {
        let order = shuffled_inside_out(12, &mut Mt::new(42));
        assert_eq!(order, [6, 0, 5, 11, 10, 2, 3, 1, 9, 4, 7, 8]);
    }
}
