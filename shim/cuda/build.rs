//! Gives the built object the version nodes that programs linked with the shared CUDA runtime ask for.
//!
//! The nodes are empty: a symbol without a version satisfies a reference of any version, provided that the object defines the
//! version at all. The few names with a function for each version are bound in `src/runtime/symbol_versions.rs`.

fn main() {
    println!("cargo:rerun-if-changed=symbols.map");
    if let Ok(here) = std::env::var("CARGO_MANIFEST_DIR") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={here}/symbols.map");
    }
}
