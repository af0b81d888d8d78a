//! `splade-job info`: what this machine has, in a form to paste into a bug report.

use crate::model::Precision;
use crate::telemetry::total_memory_bytes;
use crate::training::measured_peak;
use splade_native::{cuda_devices, libtorch_version, nccl_version};
use tch::Device;

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
    println!("libtorch    {}", libtorch_version());
    println!(
        "cpu         {} threads, {}",
        tch::get_num_threads(),
        features.join(" ")
    );
    println!("memory      {memory}");
    println!("nccl        {}", nccl());
    for line in gpus() {
        println!("gpu         {line}");
    }
    println!(
        "fp32        {:.0} GFLOP/s measured on {device:?}",
        measured_peak(device, Precision::Float) / 1e9
    );
}

fn nccl() -> String {
    match nccl_version() {
        Ok(Some(version)) => version,
        Ok(None) => "none: this build has no CUDA".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A line for each GPU, or one that says that there is none.
fn gpus() -> Vec<String> {
    match cuda_devices() {
        Ok(devices) if devices.is_empty() => vec!["none".to_owned()],
        Ok(devices) => devices
            .iter()
            .map(|device| {
                let (major, minor) = device.capability;
                let gib = device.memory >> 30;
                format!(
                    "{}, {gib} GiB, compute capability {major}.{minor}",
                    device.name
                )
            })
            .collect(),
        Err(error) => vec![error.to_string()],
    }
}
