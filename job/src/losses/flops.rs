//! The FLOPS regulariser (Paria et al., arXiv 2004.05665), which bounds the expected work of a dot product.

use tch::Tensor;

/// `sum over terms j of (mean over rows i of w[i, j])^2` for `[rows, vocabulary]`, a scalar.
///
/// The mean is over the rows given here: the value depends on how many they are, see docs/training.md.
pub fn flops(representations: &Tensor) -> Tensor {
    representations
        .mean_dim([0i64].as_slice(), false, representations.kind())
        .square()
        .sum(representations.kind())
}

/// FLOPS over the rows of all ranks together, on one of `ranks` ranks whose gradients are averaged afterwards.
///
/// `share` is this rank's sum of rows divided by the rows of all ranks, `[vocabulary]`, differentiable; `mean` is the
/// sum of the shares over ranks, without gradient. The value, a scalar, is that of all rows. Its gradient with respect
/// to `share` is `2 * mean * ranks`: averaged over ranks, that is the gradient of the value.
pub fn global_flops(share: &Tensor, mean: &Tensor, ranks: usize) -> Tensor {
    let value = mean.square().sum(mean.kind());
    let slope = mean * (2.0 * ranks as f64) * (share - share.detach());
    value + slope.sum(mean.kind())
}
