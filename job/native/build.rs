//! Compiles the C++ bridge against the libtorch that `make setup` unpacked.

use std::path::{Path, PathBuf};

const SOURCES: [&str; 9] = [
    "cpp/attention.cc",
    "cpp/backends.cc",
    "cpp/device.cc",
    "cpp/optimizer.cc",
    "cpp/process_group.cc",
    "cpp/reducer.cc",
    "cpp/splade_pool.cc",
    "cpp/splade_pool_cpu.cc",
    "cpp/store.cc",
];

/// Headers of the CUDA wheels, in the folder that holds the torch wheel.
const CUDA_INCLUDES: [&str; 3] = [
    "nvidia/cu13/include",
    "nvidia/cu13/include/cccl",
    "nvidia/nccl/include",
];

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-changed=src/bridge.rs");
    let Ok(libtorch) = std::env::var("LIBTORCH") else {
        println!(
            "cargo:error=LIBTORCH is not set: build with `make`, or run `eval \"$(make env)\"` first"
        );
        return;
    };
    let mut bridge = cxx_build::bridge("src/bridge.rs");
    // Clippy looks at Rust alone and links nothing, but runs build scripts a second time.
    if std::env::var_os("CLIPPY_ARGS").is_some() {
        return;
    }
    let libtorch = PathBuf::from(libtorch);
    let include = libtorch.join("include");
    bridge
        .files(SOURCES)
        .include("cpp")
        .flag(system(&include))
        .flag(system(&include.join("torch/csrc/api/include")))
        .define("USE_C10D_GLOO", None)
        .std("c++20")
        .opt_level(3)
        .flag("-fopenmp");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_some() {
        for folder in CUDA_INCLUDES {
            bridge.flag(system(&libtorch.join("site").join(folder)));
        }
        bridge
            .define("USE_CUDA", None)
            .define("USE_C10D_NCCL", None);
        link_cuda(&libtorch.join("lib"));
    }
    bridge.compile("splade_native");
    // Libraries of libtorch's own that this machine may not need are not there to be looked into.
    println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
}

/// Headers that are not ours; the compiler keeps their warnings to itself.
fn system(folder: &Path) -> String {
    format!("-isystem{}", folder.display())
}

fn link_cuda(libraries: &Path) {
    if !libraries.join("libtorch_cuda.so").exists() {
        println!(
            "cargo:error={} has no CUDA: the feature `cuda` goes with `make TORCH=cuda`",
            libraries.display()
        );
    }
    println!("cargo:rustc-link-search=native={}", libraries.display());
    println!("cargo:rustc-link-lib=torch_cuda");
    println!("cargo:rustc-link-lib=c10_cuda");
    println!("cargo:rustc-link-lib=dylib:+verbatim=libcudart.so.13");
}
