//! Specifications of searches, in TOML.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use search::Spec;

const FILE: &str = "f.toml";

/// A specification survives being stored and holds the networks that it draws; an error names the file and a line of it.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Spec::parse(text, FILE) {
        Ok(spec) => stored(&spec),
        Err(error) => named(text, &error.to_string()),
    }
}

fn stored(spec: &Spec) {
    let json = spec.to_json().to_string();
    let again =
        Spec::from_json(&serde_json::from_str(&json).expect("JSON")).expect("it was written by this version");
    assert_eq!(&again, spec, "stored as {json}");
    assert_eq!(again.hash(), spec.hash());
    let toml = toml::to_string(spec).expect("TOML");
    assert_eq!(&Spec::parse(&toml, FILE).expect("it was understood before"), spec, "written as {toml}");
    let (input, engine) = (spec.input(), spec.engine());
    assert!(engine.target().steps() >= 1);
    if spec.space.generates() {
        let network = spec.space.sample(input, &mut ChaCha8Rng::seed_from_u64(1));
        spec.space.contains(&network, input).unwrap_or_else(|error| panic!("{network}: {error}\n{toml}"));
    }
}

fn named(text: &str, error: &str) {
    let rest = error.strip_prefix(FILE).unwrap_or_else(|| panic!("no file: {error}"));
    let rest = rest.strip_prefix(':').unwrap_or_else(|| panic!("no place: {error}"));
    let line = rest.split(':').next().and_then(|line| line.parse().ok());
    if let Some(line) = line {
        super::assert_line(line, text.as_bytes(), &error);
    }
}
