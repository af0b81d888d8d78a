//! Lets the binary find libtorch without an environment variable.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        // RPATH rather than RUNPATH: libtorch's own dependencies are found by it too.
        println!("cargo:rustc-link-arg=-Wl,--disable-new-dtags,-rpath,{libtorch}/lib");
        println!("cargo:rustc-link-arg=-Wl,--allow-shlib-undefined");
    }
}
