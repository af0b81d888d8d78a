//! Attention over packed rows.
//!
//! On a GPU in bf16, FlashAttention walks over rows of any lengths as they lie, windows included. Elsewhere rows of
//! like length form a bucket. Inside attention alone, a bucket's queries, keys and values are laid out
//! as `[rows, heads, length, head width]` and go through libtorch's scaled dot product attention, which picks
//! the fastest kernel that the device has. Linear layers, norms and the head never see the padding that a
//! bucket needs; attention is under 4 % of the arithmetic at 256 tokens, and buckets 32 tokens wide waste
//! a fraction of that.

use super::ModelError;
use splade_native::flash_attention_varlen;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// Rows whose lengths round up to the same multiple of this share a bucket.
const BUCKET_STEP: i64 = 32;

/// How far a token sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The whole row.
    Global,
    /// Tokens at most this many positions away.
    Local(i64),
}

/// How attention walks over the rows of one batch. Made once per batch, used by every layer.
#[derive(Debug)]
pub struct AttentionPlan {
    lengths: Vec<i64>,
    device: Device,
    /// Each is made when it is first used: a batch needs one of the two.
    buckets: OnceCell<Buckets>,
    flash_rows: OnceCell<FlashRows>,
}

/// How the layers of one reach attend over a batch.
#[derive(Debug)]
pub enum Attention {
    /// Bucket by bucket, with an additive mask each, in the compute type; None where nothing is masked.
    Buckets(Vec<Option<Tensor>>),
    /// By FlashAttention; a token sees so many positions around it, or the whole row.
    Flash(Option<i64>),
}

/// Rows as FlashAttention wants them.
#[derive(Debug)]
struct FlashRows {
    /// Start of each row, plus the total, `[rows + 1]`, `i32`, on the device.
    offsets: Tensor,
    longest: i64,
}

/// Rows of like length side by side.
#[derive(Debug)]
struct Buckets {
    buckets: Vec<Bucket>,
    /// Where each packed token lies in the buckets' concatenated, padded output. None where that is the identity.
    restore: Option<Tensor>,
}

#[derive(Debug)]
struct Bucket {
    rows: i64,
    length: i64,
    /// Packed token of each padded place, `[rows * length]`; padding repeats the row's first token and is masked.
    gather: Tensor,
    /// Real tokens of each row, `[rows, 1, 1, 1]`; None where every row is as long as the bucket.
    lengths: Option<Tensor>,
}

impl AttentionPlan {
    /// Plans for rows of these lengths, which lie one after another.
    pub fn new(lengths: &[i64], device: Device) -> Self {
        Self {
            lengths: lengths.to_vec(),
            device,
            buckets: OnceCell::new(),
            flash_rows: OnceCell::new(),
        }
    }

    /// How layers of this reach attend when they compute in `kind`.
    pub fn attention(&self, reach: Reach, kind: Kind) -> Attention {
        if self.device.is_cuda() && kind == Kind::BFloat16 {
            return Attention::Flash(match reach {
                Reach::Global => None,
                Reach::Local(window) => Some(window),
            });
        }
        let masks = self.buckets().buckets.iter();
        Attention::Buckets(
            masks
                .map(|bucket| bucket.mask(reach, kind, self.device))
                .collect(),
        )
    }

    /// Attends: `query`, `key`, `value` are `[tokens, heads, head width]`, the result is `[tokens, heads * head width]`.
    ///
    /// # Errors
    /// libtorch out of memory, or a GPU without FlashAttention.
    pub fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        attention: &Attention,
    ) -> Result<Tensor, ModelError> {
        match attention {
            Attention::Buckets(masks) => self.buckets().attend(query, key, value, masks),
            Attention::Flash(window) => {
                let FlashRows { offsets, longest } =
                    self.flash_rows.get_or_init(|| self.flash_rows());
                let attended =
                    flash_attention_varlen(query, key, value, offsets, *longest, *window)?;
                Ok(attended.f_flatten(1, 2)?)
            }
        }
    }

    fn buckets(&self) -> &Buckets {
        self.buckets
            .get_or_init(|| Buckets::new(&self.lengths, self.device))
    }

    fn flash_rows(&self) -> FlashRows {
        let mut offsets = vec![0];
        for length in &self.lengths {
            // Rows are bounded by the model's positions, and a batch by memory: far below 2^31 tokens.
            offsets.push(offsets[offsets.len() - 1] + *length as i32);
        }
        FlashRows {
            offsets: Tensor::from_slice(&offsets).to(self.device),
            longest: self.lengths.iter().copied().max().unwrap_or(0),
        }
    }
}

impl Buckets {
    fn new(lengths: &[i64], device: Device) -> Self {
        let mut by_width: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (row, length) in lengths.iter().enumerate() {
            by_width
                .entry((length + BUCKET_STEP - 1) / BUCKET_STEP)
                .or_default()
                .push(row);
        }
        let starts: Vec<i64> = lengths
            .iter()
            .scan(0, |next, length| {
                let start = *next;
                *next += length;
                Some(start)
            })
            .collect();
        let mut restore = vec![0i64; lengths.iter().sum::<i64>() as usize];
        let mut padded = 0;
        let mut buckets = Vec::with_capacity(by_width.len());
        for rows in by_width.into_values() {
            let length = rows.iter().map(|&row| lengths[row]).max().unwrap_or(0);
            let mut gather = Vec::with_capacity(rows.len() * length as usize);
            for &row in &rows {
                let start = starts[row];
                for position in 0..length {
                    let token = if position < lengths[row] {
                        start + position
                    } else {
                        start
                    };
                    gather.push(token);
                    if position < lengths[row] {
                        restore[token as usize] = padded;
                    }
                    padded += 1;
                }
            }
            let ragged = rows.iter().any(|&row| lengths[row] != length);
            let row_lengths: Vec<i64> = rows.iter().map(|&row| lengths[row]).collect();
            buckets.push(Bucket {
                rows: rows.len() as i64,
                length,
                gather: Tensor::from_slice(&gather).to(device),
                lengths: ragged.then(|| {
                    Tensor::from_slice(&row_lengths)
                        .view([-1, 1, 1, 1])
                        .to(device)
                }),
            });
        }
        // Padding behind the last token leaves every token in its place, but must still be cut off.
        let identity = padded as usize == restore.len()
            && restore
                .iter()
                .enumerate()
                .all(|(token, &place)| token as i64 == place);
        Self {
            buckets,
            restore: (!identity).then(|| Tensor::from_slice(&restore).to(device)),
        }
    }

    fn attend(
        &self,
        query: &Tensor,
        key: &Tensor,
        value: &Tensor,
        masks: &[Option<Tensor>],
    ) -> Result<Tensor, ModelError> {
        let (_, heads, width) = query.size3()?;
        let mut outputs = Vec::with_capacity(self.buckets.len());
        for (bucket, mask) in self.buckets.iter().zip(masks) {
            let layout = |tensor: &Tensor| -> Result<Tensor, tch::TchError> {
                let gathered = if self.is_one_block() {
                    tensor.shallow_clone()
                } else {
                    tensor.f_index_select(0, &bucket.gather)?
                };
                gathered
                    .f_view([bucket.rows, bucket.length, heads, width])?
                    .f_transpose(1, 2)
            };
            let attended = Tensor::f_scaled_dot_product_attention(
                &layout(query)?,
                &layout(key)?,
                &layout(value)?,
                mask.as_ref(),
                0.0,
                false,
                None,
                false,
            )?;
            outputs.push(attended.f_transpose(1, 2)?.f_reshape([-1, heads * width])?);
        }
        let joined = if outputs.len() == 1 {
            outputs.swap_remove(0)
        } else {
            Tensor::f_cat(&outputs, 0)?
        };
        Ok(match &self.restore {
            Some(places) => joined.f_index_select(0, places)?,
            None => joined,
        })
    }

    /// All rows are of one length: nothing needs to be gathered or restored.
    fn is_one_block(&self) -> bool {
        self.restore.is_none()
            && self.buckets.len() == 1
            && self.buckets.iter().all(|bucket| bucket.lengths.is_none())
    }
}

impl Bucket {
    /// 0 where a query may look and minus infinity elsewhere: `[rows, 1, 1 or length, length]`.
    ///
    /// Every query may look at itself, so that no row of the softmax is empty, not even that of a pad.
    fn mask(&self, reach: Reach, kind: Kind, device: Device) -> Option<Tensor> {
        let window = match reach {
            Reach::Local(window) if window + 1 < self.length => Some(window),
            _ => None,
        };
        if self.lengths.is_none() && window.is_none() {
            return None;
        }
        let place = Tensor::arange(self.length, (Kind::Int64, device));
        let key = place.view([1, 1, 1, -1]);
        let query = place.view([1, 1, -1, 1]);
        let mut allowed = match &self.lengths {
            Some(lengths) => key.lt_tensor(lengths),
            None => Tensor::ones([1, 1, 1, self.length], (Kind::Bool, device)),
        };
        if let Some(window) = window {
            let near = (&query - &key).abs().le(window);
            allowed = allowed
                .logical_and(&near)
                .logical_or(&query.eq_tensor(&key));
        }
        let zero = Tensor::zeros([1], (kind, device));
        Some(zero.where_self(
            &allowed,
            &Tensor::full([1], f64::NEG_INFINITY, (kind, device)),
        ))
    }
}
