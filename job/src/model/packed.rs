//! A batch of token rows, packed one after another.

use super::attention::AttentionPlan;
use super::{ModelError, SpecialTokens};
use tch::{Device, Tensor};

/// Rows of tokens on a device, with all that layers need to know of where rows begin and end.
#[derive(Debug)]
pub struct PackedRows {
    /// Token ids, `[tokens]`, `i64`.
    pub(super) ids: Tensor,
    /// Position of each token inside its row, from 0, `[tokens]`, `i64`.
    pub(super) positions: Tensor,
    /// Start of each row, plus the total, `[rows + 1]`, `i64`, on CPU.
    pub(super) offsets: Tensor,
    /// Tokens that the pool leaves out, `[tokens]`, bool.
    pub(super) masked_positions: Option<Tensor>,
    /// How attention walks over the rows.
    pub(super) plan: AttentionPlan,
    rows: usize,
    tokens: usize,
}

impl PackedRows {
    /// Packs rows for `device`.
    ///
    /// `ids` holds the tokens of all rows one after another, `lengths` how many belong to each row.
    ///
    /// # Errors
    /// An empty batch or row, or a row longer than `max_length`.
    pub fn new(
        ids: &[i64],
        lengths: &[i64],
        max_length: i64,
        special_tokens: &SpecialTokens,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut offsets = Vec::with_capacity(lengths.len() + 1);
        let mut positions = Vec::with_capacity(ids.len());
        offsets.push(0);
        let mut total = 0;
        for (row, &length) in lengths.iter().enumerate() {
            if length < 1 {
                return Err(ModelError::EmptyRow { row });
            }
            if length > max_length {
                return Err(ModelError::TooLong {
                    row,
                    length,
                    most: max_length,
                });
            }
            positions.extend(0..length);
            total += length;
            offsets.push(total);
        }
        if lengths.is_empty() || total as usize != ids.len() {
            return Err(ModelError::EmptyRow { row: lengths.len() });
        }
        let masked_positions = special_tokens
            .masked_positions(ids)
            .map(|mask| Tensor::from_slice(&mask).to(device));
        Ok(Self {
            ids: Tensor::from_slice(ids).to(device),
            positions: Tensor::from_slice(&positions).to(device),
            offsets: Tensor::from_slice(&offsets),
            masked_positions,
            plan: AttentionPlan::new(lengths, device),
            rows: lengths.len(),
            tokens: ids.len(),
        })
    }

    /// Rows of the batch.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Real tokens of the batch.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}
