//! `splade-job info`: what this machine has, in a form to paste into a bug report.

use crate::model::Precision;
use crate::telemetry::total_memory_bytes;
use crate::training::measured_peak;
use tch::{Cuda, Device};

/// Prints it.
pub fn run() {
    let device = Device::cuda_if_available();
    let features: Vec<&str> = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        (
            "avx512bf16",
            std::arch::is_x86_feature_detected!("avx512bf16"),
        ),
    ]
    .into_iter()
    .filter_map(|(name, has)| has.then_some(name))
    .collect();
    let memory =
        total_memory_bytes().map_or("unknown".to_owned(), |bytes| format!("{} GiB", bytes >> 30));
    println!("splade-job  {}", env!("CARGO_PKG_VERSION"));
    println!("libtorch    2.11.0");
    println!(
        "cpu         {} threads, {}",
        tch::get_num_threads(),
        features.join(" ")
    );
    println!("memory      {memory}");
    println!("cuda        {} device(s)", Cuda::device_count());
    println!(
        "fp32        {:.0} GFLOP/s measured on {device:?}",
        measured_peak(device, Precision::Float) / 1e9
    );
}
