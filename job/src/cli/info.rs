//! `splade-job info`: what this machine has, in a form to paste into a bug report.

use crate::model::Precision;
use crate::training::measured_peak;
use splade_telemetry::{
    Gpu, Gpus, cpu, kernel, memory_limit_bytes, operating_system, relevant_variables,
    total_memory_bytes,
};
use std::env::consts::ARCH;
use tch::Device;

/// A line: what it is about, and what there is.
type Row = (&'static str, String);

/// Prints it.
pub fn run() {
    let mut rows = vec![("splade-job", env!("CARGO_PKG_VERSION").to_owned())];
    rows.extend(libraries());
    rows.extend(system());
    rows.extend(gpus(&Gpus::open()));
    rows.push(("speed", speed()));
    let variables = relevant_variables(std::env::vars());
    rows.extend(
        variables
            .into_iter()
            .map(|(name, value)| ("variable", format!("{name}={value}"))),
    );
    for (name, value) in rows {
        println!("{name:<12}{value}");
    }
}

fn libraries() -> [Row; 2] {
    let nccl = match splade_native::nccl_version() {
        Ok(Some(version)) => version,
        Ok(None) => "none: this build has no CUDA".to_owned(),
        Err(error) => error.to_string(),
    };
    [
        ("libtorch", splade_native::libtorch_version().to_owned()),
        ("nccl", nccl),
    ]
}

fn system() -> Vec<Row> {
    let unknown = || "unknown".to_owned();
    let os = operating_system().unwrap_or_else(unknown);
    let kernel = kernel().unwrap_or_else(unknown);
    let memory = total_memory_bytes().map_or_else(unknown, gibibytes);
    let limit = memory_limit_bytes().map_or_else(
        || "no limit by a container".to_owned(),
        |limit| format!("limited to {} by the container", gibibytes(limit)),
    );
    let mut rows = vec![
        ("system", format!("{os}, kernel {kernel}, {ARCH}")),
        ("memory", format!("{memory}, {limit}")),
    ];
    if let Some(cpu) = cpu() {
        rows.push(("cpu", format!("{}, {} processors", cpu.model, cpu.count)));
        rows.push(("features", cpu.features.join(" ")));
    }
    rows.push((
        "threads",
        format!(
            "{} in an operation, {} operations at once",
            tch::get_num_threads(),
            tch::get_num_interop_threads()
        ),
    ));
    rows
}

/// The GPUs that libtorch can use, and what their driver says of all that are here.
fn gpus(driver: &Gpus) -> Vec<Row> {
    let mut rows = match splade_native::cuda_devices() {
        Ok(devices) if devices.is_empty() => vec![("cuda", "no device".to_owned())],
        Ok(devices) => devices
            .into_iter()
            .map(|device| {
                let (major, minor) = device.capability;
                let memory = gibibytes(device.memory);
                (
                    "cuda",
                    format!(
                        "{}, {memory}, compute capability {major}.{minor}",
                        device.name
                    ),
                )
            })
            .collect(),
        Err(error) => vec![("cuda", error.to_string())],
    };
    if let Some(version) = driver.driver_version() {
        rows.push(("driver", version));
    }
    rows.extend(driver.read().iter().map(|gpu| ("gpu", describe(gpu))));
    rows
}

fn describe(gpu: &Gpu) -> String {
    let share = |part: f64| format!("{:.0} % busy", part * 100.0);
    let memory = gpu.memory_used.zip(gpu.memory_total);
    let parts = [
        Some(format!("number {}", gpu.index)),
        gpu.name.clone(),
        memory.map(|(used, total)| format!("{} of {} used", gibibytes(used), gibibytes(total))),
        gpu.utilization.map(share),
        gpu.temperature.map(|celsius| format!("{celsius:.0} °C")),
        gpu.power.map(|watts| format!("{watts:.0} W")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn speed() -> String {
    let device = Device::cuda_if_available();
    let peak = measured_peak(device, Precision::Float) / 1e9;
    format!("{peak:.0} GFLOP/s in FP32, measured on {device:?}")
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
