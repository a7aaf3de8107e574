//! Lets the trainer find libtorch when it runs, and links its CUDA half where there is one.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let Ok(libraries) = env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rustc-link-arg-bin=peng-worker-torch=-Wl,-rpath,{libraries}");
    if Path::new(&libraries).join("libtorch_cuda.so").exists() {
        // Nothing calls it by name, so the linker would leave it out, and CUDA would silently not be there.
        println!(
            "cargo:rustc-link-arg-bin=peng-worker-torch=-Wl,--push-state,--no-as-needed,-ltorch_cuda,--pop-state"
        );
    }
}
