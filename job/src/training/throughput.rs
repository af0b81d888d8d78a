//! Arithmetic of a training step, and how much of the machine's it uses.

use crate::model::{ModelConfig, Precision};
use tch::{Device, Kind, Tensor};

/// A backward pass costs twice the forward pass.
const FORWARD_AND_BACKWARD: f64 = 3.0;

/// Floating point operations of training on rows of these lengths (real tokens, no padding).
///
/// Two per multiply-add; matrices of the encoder, the head onto the vocabulary, and attention over
/// `min(length, window)` keys. The norm for model FLOPs utilisation (PaLM, arXiv 2204.02311, appendix B).
pub fn training_flops(config: &ModelConfig, lengths: &[i64]) -> f64 {
    let (width, inner, layers, gated) = match config {
        ModelConfig::ModernBert(c) => (c.hidden_size, c.intermediate_size, c.num_hidden_layers, 3),
        ModelConfig::Bert(c) => (c.hidden_size, c.intermediate_size, c.num_hidden_layers, 2),
    };
    let (d, inner) = (width as f64, inner as f64);
    let matrices = 2.0 * layers as f64 * (4.0 * d * d + f64::from(gated) * d * inner);
    let head = 2.0 * d * d + 2.0 * d * config.vocab_size() as f64;
    let attention = |length: f64| -> f64 {
        (0..layers)
            .map(|layer| match config {
                ModelConfig::ModernBert(c) if !c.is_global(layer) => {
                    4.0 * d * length.min(c.local_attention as f64 + 1.0)
                }
                _ => 4.0 * d * length,
            })
            .sum()
    };
    let forward: f64 = lengths
        .iter()
        .map(|&length| length as f64 * (matrices + head + attention(length as f64)))
        .sum();
    FORWARD_AND_BACKWARD * forward
}

/// Floating point operations a second that one large matrix product reaches on this device, measured now.
///
/// Utilisation is given against this figure: on a CPU there is no other, and on a GPU it is what can be had.
pub fn measured_peak(device: Device, precision: Precision) -> f64 {
    let size = if device.is_cuda() { 8192 } else { 1024 };
    let options = (precision.kind(), device);
    let (left, right) = (
        Tensor::ones([size, size], options),
        Tensor::ones([size, size], options),
    );
    let wait = |product: Tensor| product.get(0).get(0).to_kind(Kind::Float).double_value(&[]);
    wait(left.matmul(&right));
    (0..5)
        .map(|_| {
            let start = std::time::Instant::now();
            wait(left.matmul(&right));
            2.0 * (size as f64).powi(3) / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}
