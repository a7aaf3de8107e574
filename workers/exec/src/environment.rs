//! Which of the worker's environment variables a program gets.

use std::{env, ffi::OsString, str::FromStr};

/// What every program gets: names, and beginnings of names. What looks like a secret among them needs to be named.
#[rustfmt::skip]
const DEFAULT: [&str; 40] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR",
    "LD_LIBRARY_PATH", "PYTHON*", "VIRTUAL_ENV", "CONDA_*",
    "CUDA_*", "NVIDIA_*", "NCCL_*", "HIP_*", "HSA_*", "ROCM_*", "ROCR_*", "GPU_DEVICE_ORDINAL",
    "OMP_*", "GOMP_*", "KMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*",
    "TORCH_*", "PYTORCH_*", "TF_*", "XLA_*", "JAX_*", "KERAS_*",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", // whom to trust when data are fetched
    "SLURM_*",
];
/// Names with such a word in them are passed on only where the option names or begins them.
const WORDS: [&str; 6] = ["KEY", "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "JWT"];
/// What a program has no business with: the database and the checkpoint store. `*` does not mean these.
const SECRETS: [&str; 3] = ["DATABASE_URL", "PG*", "AWS_*"];

/// A name, or the beginning of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    is_beginning: bool,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, is_beginning) = text.strip_suffix('*').map_or((text, false), |name| (name, true));
        if name.contains(['*', '=', '\0', ' ']) || text.is_empty() {
            return Err(
                "expected the name of a variable, or the beginning of names and `*`, as `WANDB_*`".to_owned()
            );
        }
        Ok(Self { text: name.to_owned(), is_beginning })
    }
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        if self.is_beginning { name.starts_with(&self.text) } else { name == self.text }
    }
}

/// The environment of programs, but for what is told of the attempt.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// What is passed on.
    pub passed: Vec<(OsString, OsString)>,
    /// The names of all else.
    pub left_out: Vec<String>,
}

impl Environment {
    /// The part of this process's environment that programs get; `more` beside the default.
    pub fn of_worker(more: &[Pattern]) -> Self {
        let mut environment = Self::default();
        for (name, value) in env::vars_os() {
            match name.to_str() {
                Some(text) if is_passed(text, more) => environment.passed.push((name, value)),
                _ => environment.left_out.push(name.to_string_lossy().into_owned()),
            }
        }
        environment.passed.sort();
        environment.left_out.sort();
        environment
    }

    /// Gives a variable another value.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.passed.retain(|(passed, _)| passed != name);
        self.passed.push((name.into(), value.into()));
    }

    /// What is passed on and what is not, in names.
    pub fn describe(&self) -> String {
        let passed: Vec<_> = self.passed.iter().map(|(name, _)| name.to_string_lossy()).collect();
        let or_nothing = |names: String| if names.is_empty() { "nothing".to_owned() } else { names };
        format!(
            "passed on: {}; left out: {} (--pass-env passes more)",
            or_nothing(passed.join(", ")),
            or_nothing(self.left_out.join(", "))
        )
    }
}

fn is_passed(name: &str, more: &[Pattern]) -> bool {
    let pattern = |text: &str| text.parse::<Pattern>().expect("the patterns of this file");
    let asked = more.iter().filter(|pattern| pattern.matches(name));
    if let Some(secret) = SECRETS.into_iter().map(pattern).find(|secret| secret.matches(name)) {
        return asked.into_iter().any(|asked| asked.text.starts_with(&secret.text));
    }
    let by_default = || DEFAULT.into_iter().map(pattern).any(|default| default.matches(name));
    asked.count() > 0 || by_default() && !WORDS.into_iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_on() {
        let table = [
            ("PATH", "", true, "needed"),
            ("LC_ALL", "", true, "by its beginning"),
            ("PATHS", "", false, "another name"),
            ("WANDB_API_KEY", "", false, "of no interest by default"),
            ("WANDB_API_KEY", "WANDB_API_KEY", true, "named"),
            ("WANDB_API_KEY", "HF_HOME,WANDB_*", true, "begun"),
            ("NVIDIA_VISIBLE_DEVICES", "", true, "a device"),
            ("NVIDIA_API_KEY", "", false, "a secret that begins like a device"),
            ("SLURM_JWT", "", false, "a credential"),
            ("SLURM_JWT", "SLURM_*", true, "asked for"),
            ("DATABASE_URL", "", false, "the database"),
            ("DATABASE_URL", "*", false, "all is not this"),
            ("DATABASE_URL", "DATA*", false, "nor is so short a beginning"),
            ("DATABASE_URL", "DATABASE_URL", true, "but its name is"),
            ("PGPASSWORD", "*,P*", false, "the database's password"),
            ("PGPASSWORD", "PGPASSWORD", true, "named"),
            ("PGPASSWORD", "PG*", true, "all of libpq"),
            ("AWS_SECRET_ACCESS_KEY", "*", false, "the checkpoints"),
            ("AWS_REGION", "AWS_R*", true, "begun"),
            ("PENG_CHECKPOINTS", "", false, "the worker's own"),
            ("EDITOR", "*", true, "all else"),
        ];
        for (name, more, expected, why) in table {
            let more: Vec<_> = more.split(',').filter_map(|text| text.parse().ok()).collect();
            assert_eq!(is_passed(name, &more), expected, "{name} with {more:?}: {why}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "A*B", "A=1", "A B", "**"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }
}
