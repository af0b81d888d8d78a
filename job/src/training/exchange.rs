//! What the ranks tell one another after the backward passes of a step: one small gather, and the one time that a step
//! waits for the device.

use super::error::TrainingError;
use super::loss::MEASURES;
use super::step::Measured;
use crate::distributed::Gang;
use tch::{Device, Kind, Tensor};

/// Numbers that a rank gives besides those of its batches.
const HEAD: usize = 3;
/// Numbers of one micro-batch: its measures, real tokens and floating point operations.
const PER_BATCH: usize = MEASURES.len() + 2;

/// What a rank wants after this step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// It was asked to leave.
    pub stop: bool,
    /// By its clock a checkpoint is due. Rank 0's clock counts.
    pub save: bool,
}

/// A step as all ranks know it, the same on each.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// Micro-batches by rank.
    pub ranks: Vec<Vec<BatchReport>>,
    /// L2 norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Some rank was asked to leave: all do.
    pub stop: bool,
    /// A checkpoint is due.
    pub save: bool,
}

/// What one micro-batch of one rank measured.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchReport {
    /// One value for each of [`MEASURES`].
    pub values: Vec<f64>,
    /// Real tokens.
    pub tokens: usize,
    /// Floating point operations of forward and backward.
    pub flops: f64,
}

/// Gathers the reports of all ranks.
///
/// # Errors
/// A rank that does not answer.
pub fn exchange(
    gang: &Gang,
    batches: &[Measured],
    gradient_norm: &Tensor,
    wishes: Wishes,
) -> Result<StepReport, TrainingError> {
    let device = gradient_norm.device();
    let known = |values: &[f64]| Tensor::from_slice(values).to(device);
    let mut own = vec![
        known(&[
            f64::from(u8::from(wishes.stop)),
            f64::from(u8::from(wishes.save)),
        ]),
        gradient_norm.view([1]).to_kind(Kind::Double),
    ];
    for batch in batches {
        own.push(batch.values.to_kind(Kind::Double));
        own.push(known(&[batch.tokens as f64, batch.flops]));
    }
    let all = gang.all_gather("the measures of a step", &Tensor::f_cat(&own, 0)?)?;
    let all: Vec<f64> = Vec::try_from(&all.to(Device::Cpu))?;
    Ok(read(&all, HEAD + batches.len() * PER_BATCH))
}

fn read(all: &[f64], length: usize) -> StepReport {
    let ranks: Vec<&[f64]> = all.chunks(length).collect();
    StepReport {
        // Equal on all ranks: each has the same averaged gradient.
        gradient_norm: ranks[0][2],
        stop: ranks.iter().any(|rank| rank[0] != 0.0),
        save: ranks[0][1] != 0.0,
        ranks: ranks
            .iter()
            .map(|rank| rank[HEAD..].chunks(PER_BATCH).map(batch_report).collect())
            .collect(),
    }
}

fn batch_report(numbers: &[f64]) -> BatchReport {
    let (values, rest) = numbers.split_at(MEASURES.len());
    BatchReport {
        values: values.to_vec(),
        tokens: rest[0] as usize,
        flops: rest[1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(value: f32, tokens: usize) -> Measured {
        Measured {
            values: Tensor::full([9], f64::from(value), (Kind::Float, Device::Cpu)),
            tokens,
            flops: 2.5e9,
        }
    }

    #[test]
    fn a_rank_alone_reads_what_it_says() {
        let gang = Gang::solo(Device::Cpu);
        let wishes = Wishes {
            stop: false,
            save: true,
        };
        let norm = Tensor::from(1.5f32);
        let batches = [measured(0.25, 20_000_001), measured(f32::NAN, 7)];
        let report = exchange(&gang, &batches, &norm, wishes).unwrap();
        assert_eq!(report.gradient_norm, 1.5);
        assert_eq!((report.stop, report.save), (false, true));
        assert_eq!(report.ranks.len(), 1);
        assert_eq!(
            report.ranks[0][0],
            BatchReport {
                values: vec![0.25; 9],
                tokens: 20_000_001,
                flops: 2.5e9
            }
        );
        assert!(report.ranks[0][1].values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn one_rank_that_must_leave_takes_all_along_and_rank_0_has_the_clock() {
        // Two ranks without batches: stop, save, norm.
        let report = read(&[0.0, 0.0, 2.0, 1.0, 1.0, 2.0], HEAD);
        assert!(report.stop);
        assert!(!report.save);
        assert_eq!(report.ranks, [vec![], vec![]]);
    }
}
