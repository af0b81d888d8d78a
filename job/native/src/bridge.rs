//! The foreign interface itself. Tensors cross as the address of an `at::Tensor` that the Rust side owns.

#[cxx::bridge(namespace = "splade")]
pub(crate) mod ffi {
    /// See `crate::device::CudaDevice`.
    struct CudaDevice {
        name: String,
        memory: u64,
        major: u32,
        minor: u32,
    }

    /// See `crate::device::MemoryStats`.
    struct MemoryStats {
        allocated: u64,
        peak_allocated: u64,
        reserved: u64,
        peak_reserved: u64,
    }

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

        /// See `crate::attention`. Returns the address of a new `at::Tensor`.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        unsafe fn flash_attention_varlen(
            query: usize,
            key: usize,
            value: usize,
            offsets: usize,
            max_length: i64,
            window: i64,
        ) -> Result<usize>;

        include!("device.h");

        fn libtorch_version() -> &'static str;
        fn nccl_version() -> Result<String>;
        fn cuda_devices() -> Result<Vec<CudaDevice>>;
        fn set_device(index: i8) -> Result<()>;
        fn synchronize(index: i8) -> Result<()>;
        fn memory_stats(index: i8) -> Result<MemoryStats>;

        /// Returns the addresses of new `at::Tensor`s.
        ///
        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        unsafe fn copy_to_host(tensors: &[usize]) -> Result<Vec<usize>>;

        include!("store.h");

        /// See `crate::store`.
        type Store;
        fn open_store(
            host: &str,
            port: u16,
            serves: bool,
            world_size: usize,
            timeout_ms: i64,
        ) -> Result<UniquePtr<Store>>;
        fn set(self: &Store, key: &str, value: &str) -> Result<()>;
        fn get(self: &Store, key: &str) -> Result<String>;
        fn add(self: &Store, key: &str, amount: i64) -> Result<i64>;
        fn has(self: &Store, key: &str) -> Result<bool>;
        fn wait(self: &Store, key: &str, timeout_ms: i64) -> Result<()>;

        include!("process_group.h");

        /// See `crate::process_group`. Not thread-safe.
        type ProcessGroup;
        fn join_gloo(
            store: &Store,
            rank: i32,
            world_size: i32,
            timeout_ms: i64,
            local_address: &str,
        ) -> Result<UniquePtr<ProcessGroup>>;
        fn join_nccl(
            store: &Store,
            rank: i32,
            world_size: i32,
            timeout_ms: i64,
            device: i8,
        ) -> Result<UniquePtr<ProcessGroup>>;
        fn barrier(self: &ProcessGroup, name: &str) -> Result<()>;

        /// # Safety
        /// `tensor` is the address of a live `at::Tensor` that nothing else reads meanwhile.
        unsafe fn all_reduce_sum(self: &ProcessGroup, what: &str, tensor: usize) -> Result<()>;

        /// # Safety
        /// As `all_reduce_sum`, for each tensor.
        unsafe fn broadcast(
            self: &ProcessGroup,
            what: &str,
            tensors: &[usize],
            root: i32,
        ) -> Result<()>;

        /// Returns the address of a new `at::Tensor`.
        ///
        /// # Safety
        /// `tensor` is the address of a live `at::Tensor`.
        unsafe fn all_gather(self: &ProcessGroup, what: &str, tensor: usize) -> Result<usize>;

        /// As `all_gather`, differentiable.
        ///
        /// # Safety
        /// As `all_gather`.
        unsafe fn gather_rows(self: &ProcessGroup, what: &str, tensor: usize) -> Result<usize>;

        include!("reducer.h");

        /// See `crate::reducer`. Not thread-safe.
        type Reducer;

        /// # Safety
        /// Every address is that of a live `at::Tensor`.
        unsafe fn new_reducer(
            group: &ProcessGroup,
            parameters: &[usize],
        ) -> Result<UniquePtr<Reducer>>;

        /// Returns the indices of parameters that received no gradient.
        ///
        /// # Safety
        /// `loss` is the address of a live `at::Tensor`.
        unsafe fn backward(self: Pin<&mut Reducer>, loss: usize) -> Result<Vec<usize>>;
    }
}
