//! One micro-batch: forward, loss, backward. Nothing here waits for the device.

use super::candidates::GangTexts;
use super::error::TrainingError;
use super::loss::{FlopsWeights, loss};
use super::plan::{LossPlan, TrainingPlan};
use super::throughput::training_flops;
use crate::distributed::Gang;
use crate::model::Splade;
use splade_data::{BatchTexts, PackedBatch};
use splade_native::Reducer;
use tch::{Kind, Tensor};

/// What one micro-batch measured, still on the device.
#[derive(Debug)]
pub struct Measured {
    /// One value for each of [`super::MEASURES`], `[9]`, `f32`.
    pub values: Tensor,
    /// Real tokens of the batch.
    pub tokens: usize,
    /// Floating point operations of forward and backward on real tokens.
    pub flops: f64,
}

/// A micro-batch with what the loss must know of the other ranks' ones.
#[derive(Debug)]
pub struct MicroBatch {
    /// This rank's rows.
    pub rows: PackedBatch,
    /// Texts by rank; this rank's alone where the loss shares nothing.
    pub texts: Vec<BatchTexts>,
    /// Place of this rank in `texts`.
    pub own: usize,
}

impl MicroBatch {
    fn gang_texts(&self) -> GangTexts<'_> {
        GangTexts {
            by_rank: &self.texts,
            own: self.own,
        }
    }
}

/// What every micro-batch of a step has in common.
#[derive(Debug)]
pub struct Step<'a> {
    /// The model.
    pub model: &'a Splade,
    /// The recipe.
    pub plan: &'a TrainingPlan,
    /// The ranks.
    pub gang: &'a Gang,
    /// Weights of the regulariser.
    pub weights: FlopsWeights,
    /// Micro-batches of the step: gradients are their mean.
    pub batches: usize,
}

impl Step<'_> {
    /// Adds the gradient of one micro-batch to the parameters. With a `reducer`, the gradients gathered so far become
    /// the mean over ranks by the time this returns.
    ///
    /// # Errors
    /// A row that does not fit the model, a rank that does not answer, or libtorch out of memory.
    pub fn forward_and_backward(
        &self,
        batch: &MicroBatch,
        reducer: Option<&mut Reducer>,
    ) -> Result<Measured, TrainingError> {
        let values = match self.plan.surroundings.gradient_caching_tokens {
            // Where the loss crosses ranks, all of them must go the same way, however many tokens each has.
            Some(tokens) if batch.rows.ids.len() > tokens || self.plan.recipe.loss.is_shared() => {
                self.in_pieces(batch, tokens, reducer)?
            }
            _ => self.at_once(batch, reducer)?,
        };
        Ok(Measured {
            values,
            tokens: batch.rows.ids.len(),
            flops: training_flops(self.model.config(), &batch.rows.lengths),
        })
    }

    fn at_once(
        &self,
        batch: &MicroBatch,
        reducer: Option<&mut Reducer>,
    ) -> Result<Tensor, TrainingError> {
        let rows = self.model.pack(&batch.rows.ids, &batch.rows.lengths)?;
        let parts = self.loss(&self.model.forward(&rows)?, batch)?;
        backward(&(parts.loss / self.batches as f64), reducer)?;
        Ok(parts.values)
    }

    /// Gradient caching (Gao et al., arXiv 2101.06983): representations of all pieces without gradient, the loss and
    /// its gradient with respect to them, then each piece once more with the gradient handed on. Exact; memory is that
    /// of one piece, at the price of a second forward pass.
    fn in_pieces(
        &self,
        batch: &MicroBatch,
        most_tokens: usize,
        mut reducer: Option<&mut Reducer>,
    ) -> Result<Tensor, TrainingError> {
        let pieces = batch.rows.pieces(most_tokens);
        let forward =
            |(ids, lengths): (&[i64], &[i64])| self.model.forward(&self.model.pack(ids, lengths)?);
        let representations: Vec<Tensor> = tch::no_grad(|| {
            pieces
                .iter()
                .map(|&piece| forward(piece))
                .collect::<Result<_, _>>()
        })?;
        let representations = Tensor::f_cat(&representations, 0)?.set_requires_grad(true);
        let parts = self.loss(&representations, batch)?;
        (parts.loss / self.batches as f64).f_backward()?;
        let gradient = representations.grad();
        let mut first = 0;
        for (index, &piece) in pieces.iter().enumerate() {
            let rows = piece.1.len() as i64;
            let handed_on = forward(piece)? * gradient.narrow(0, first, rows);
            let is_last = index + 1 == pieces.len();
            let reducer = reducer.take_if(|_| is_last);
            backward(&handed_on.f_sum(Kind::Float)?, reducer)?;
            first += rows;
        }
        Ok(parts.values)
    }

    fn loss(
        &self,
        representations: &Tensor,
        batch: &MicroBatch,
    ) -> Result<super::loss::LossParts, TrainingError> {
        let plan: &LossPlan = &self.plan.recipe.loss;
        loss(
            representations,
            batch.gang_texts(),
            plan,
            self.weights,
            self.gang,
        )
    }
}

/// Runs backward; with a reducer, the gradients gathered so far become their mean over ranks.
fn backward(loss: &Tensor, reducer: Option<&mut Reducer>) -> Result<(), TrainingError> {
    match reducer {
        Some(reducer) => Ok(reducer.backward(loss)?),
        None => Ok(loss.f_backward()?),
    }
}
