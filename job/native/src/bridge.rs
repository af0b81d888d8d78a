//! The foreign interface itself. Tensors cross as the address of an `at::Tensor` that the Rust side owns.

#[cxx::bridge(namespace = "splade")]
pub(crate) mod ffi {
    unsafe extern "C++" {
        include!("bridge.h");

        /// SPLADE-max of packed rows; see `crate::pool`. Returns the address of a new `at::Tensor`.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`, or 0 where the argument is optional.
        unsafe fn splade_pool(
            hidden: usize,
            weight: usize,
            bias: usize,
            offsets: usize,
            masked_positions: usize,
            masked_terms: usize,
            engine: u8,
        ) -> Result<usize>;

        /// One AdamW step over lists of equal length; see `crate::optimizer`.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        #[allow(clippy::too_many_arguments)]
        unsafe fn fused_adamw(
            parameters: &[usize],
            gradients: &[usize],
            first_moments: &[usize],
            second_moments: &[usize],
            steps: &[usize],
            learning_rate: f64,
            beta1: f64,
            beta2: f64,
            weight_decay: f64,
            epsilon: f64,
        ) -> Result<()>;

        /// L2 norm over all tensors of a list. Returns the address of a new scalar `at::Tensor`.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        unsafe fn total_norm(tensors: &[usize]) -> Result<usize>;

        /// Multiplies each tensor of a list by a scalar tensor, in place.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        unsafe fn scale_all(tensors: &[usize], factor: usize) -> Result<()>;
    }
}
