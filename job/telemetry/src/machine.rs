//! The machine, as Linux describes it.

use std::fs::read_to_string;

/// The processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its name.
    pub model: String,
    /// Processors that the operating system schedules on.
    pub count: usize,
    /// Those of its instruction sets that arithmetic gains from.
    pub features: Vec<String>,
}

/// Instruction sets that libtorch's kernels choose by.
const FEATURES: [&str; 12] = [
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx512f",
    "avx512bw",
    "avx512vl",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
];

/// The processor. None where `/proc` does not say.
pub fn cpu() -> Option<Cpu> {
    let text = read_to_string("/proc/cpuinfo").ok()?;
    let value = |field: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == field).then(|| value.trim().to_owned())
        })
    };
    let flags = value("flags").unwrap_or_default();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    Some(Cpu {
        model: value("model name")?,
        count: text
            .lines()
            .filter(|line| line.starts_with("processor"))
            .count(),
        features: FEATURES
            .iter()
            .filter(|name| flags.contains(name))
            .map(|&name| name.to_owned())
            .collect(),
    })
}

/// Release of the kernel, such as `6.1.0-18-amd64`.
pub fn kernel() -> Option<String> {
    line("/proc/sys/kernel/osrelease")
}

/// Name of the operating system, such as `Debian GNU/Linux 12 (bookworm)`.
pub fn operating_system() -> Option<String> {
    let text = read_to_string("/etc/os-release").ok()?;
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// Name of the host.
pub(crate) fn host_name() -> Option<String> {
    line("/proc/sys/kernel/hostname")
}

fn line(path: &str) -> Option<String> {
    Some(read_to_string(path).ok()?.trim().to_owned())
}
