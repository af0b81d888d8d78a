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
