//! Names the shared object as programs look for it. Only the cdylib is affected: tests and the rlib keep cargo's defaults.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
}
