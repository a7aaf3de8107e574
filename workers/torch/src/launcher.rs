//! `peng-worker`: starts `peng-worker-torch`, which lies beside it, in its own place.
//!
//! A program that is linked with libtorch cannot say what to do where libtorch is missing: it never starts. And the
//! allocator and the threads of libtorch read their settings before the first line of a program.

use std::{
    env,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

const TRAINER: &str = "peng-worker-torch";

/// What libraries read when they are loaded. What the caller has set stays.
const SETTINGS: [(&str, &str); 3] = [
    // Without it two threads on a busy machine run slower than one.
    ("GOMP_SPINCOUNT", "0"),
    // Tensors come and go with each batch: their memory is kept for the next one, not given back and fetched again.
    ("MALLOC_MMAP_THRESHOLD_", "33554432"),
    ("MALLOC_TRIM_THRESHOLD_", "1073741824"),
];

fn main() -> ExitCode {
    stdio::message(format_args!("error: {}", launch()));
    ExitCode::FAILURE
}

/// Returns only where the trainer cannot be started, and says why.
fn launch() -> String {
    let trainer = match env::current_exe() {
        Ok(own) => own.with_file_name(TRAINER),
        Err(error) => return format!("cannot tell where this program lies: {error}"),
    };
    if !trainer.exists() {
        return format!("`{}` is missing: it belongs beside peng-worker", trainer.display());
    }
    let missing = missing_libraries(&trainer);
    if !missing.is_empty() {
        return format!(
            "libtorch cannot be loaded, {} not found: `ops/setup.sh` brings it into third_party/ of the checkout that \
             built this worker; for a libtorch elsewhere, name its folder `lib` in LD_LIBRARY_PATH",
            missing.join(" and ")
        );
    }
    let mut command = Command::new(&trainer);
    command.arg0("peng-worker").args(env::args_os().skip(1));
    command.envs(SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none()));
    format!("cannot start `{}`: {}", trainer.display(), command.exec())
}

/// The libraries that the loader does not find, as `ldd` tells them. Where the loader cannot be asked, none: then it
/// speaks for itself.
fn missing_libraries(trainer: &Path) -> Vec<String> {
    let answer = Command::new(trainer).env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let listing = answer.map(|output| output.stdout).unwrap_or_default();
    let lines = String::from_utf8_lossy(&listing);
    lines.lines().filter_map(|line| line.trim().strip_suffix(" => not found")).map(str::to_owned).collect()
}
