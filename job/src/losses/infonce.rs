//! InfoNCE (van den Oord et al., arXiv 1807.03748) over the candidates of a batch.

use tch::Tensor;

/// Mean over queries of `-log(exp(s[i, p + i] / t) / sum over allowed j of exp(s[i, j] / t))`.
///
/// `scores` is `[B, C]`; the positive of query i stands in column `first_positive + i` (p above: 0 where the
/// candidates are those of this rank alone). `allowed` is of the same shape, bool. The result is a scalar.
pub fn infonce(scores: &Tensor, allowed: &Tensor, first_positive: i64, temperature: f64) -> Tensor {
    let logits = (scores / temperature).masked_fill(&allowed.logical_not(), f64::NEG_INFINITY);
    let positive = logits.diagonal(first_positive, 0, 1);
    (logits.logsumexp([1i64].as_slice(), false) - positive).mean(scores.kind())
}
