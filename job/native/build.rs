//! Compiles the C++ bridge against the libtorch that `make setup` unpacked.

use std::path::Path;

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
    let include = Path::new(&libtorch).join("include");
    cxx_build::bridge("src/bridge.rs")
        .files([
            "cpp/splade_pool.cc",
            "cpp/splade_pool_cpu.cc",
            "cpp/optimizer.cc",
            "cpp/attention.cc",
            "cpp/device.cc",
            "cpp/store.cc",
            "cpp/process_group.cc",
            "cpp/backends.cc",
            "cpp/reducer.cc",
        ])
        .include("cpp")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .define("USE_C10D_GLOO", None)
        .std("c++20")
        .opt_level(3)
        .flag("-fopenmp")
        // torch's own headers warn; ours are compiled with the same flags, so keep the rest.
        .flag("-Wno-unused-parameter")
        .flag("-Wno-missing-field-initializers")
        .compile("splade_native");
    println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
}
