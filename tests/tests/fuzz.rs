//! The inputs in `tests/fuzz/seeds`, among them all that a fuzzer has ever found, through the checks of the fuzz targets.

use std::{fs, path::Path};

#[path = "../fuzz/src/lib.rs"]
mod checks;

/// Runs a check on every seed of its target.
macro_rules! seeds {
    ($($target:ident),*) => {$(
        #[test]
        fn $target() {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(stringify!($target));
            let mut count = 0;
            for entry in fs::read_dir(&seeds).unwrap() {
                let path = entry.unwrap().path();
                eprintln!("{}", path.display());
                checks::$target::check(&fs::read(path).unwrap());
                count += 1;
            }
            assert!(count > 0, "no seed in {}", seeds.display());
        }
    )*};
}

seeds!(
    archive, checkpoint, conninfo, curves, fit, genome, idx, mat, protocol, selection, snapshot, spec, text
);
