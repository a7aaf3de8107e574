//! The lines that worker and program exchange; `docs/exec-protocol.md` explains them.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The version that this worker speaks.
pub const VERSION: u32 = 1;

/// A line of the worker.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Order {
    /// What to train; the answer to the program's hello.
    Job(Box<Job>),
    /// Train on for one interval.
    Continue,
    /// Nothing more is asked: exit with code 0.
    Stop { reason: String },
}

/// What to train.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the names of the protocol")]
pub struct Job {
    pub protocol: u32,
    pub job: i64,
    pub attempt: i64,
    pub search: String,
    pub seed: i64,
    pub genome: Value,
    pub data: Value,
    pub training: Value,
    /// Epochs of a full training.
    pub epochs: f64,
    /// An observation is due every so many epochs.
    pub interval: f64,
    /// Epochs that the checkpoint to resume from has behind it.
    pub start_epoch: f64,
    /// File or directory, as the program had named it.
    pub resume_from: Option<String>,
    pub checkpoint_directory: String,
    pub slot: u16,
}

/// A line of the program. Unknown keys are passed over, so that a program may say more than this version reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// The first line.
    Hello { protocol: u32 },
    /// An interval was trained and validated.
    Observation(Box<Observation>),
    /// For the job's log; also a sign of life.
    Log { message: String },
    /// The training ran into numbers that are not finite.
    Diverged { message: String },
    /// The program cannot go on; trying again helps only if it says so, or on another host if it says that.
    Failed {
        message: String,
        #[serde(default)]
        retry: bool,
        /// `"host"` if this host lacks what the training needs. Of any kind, as a key of a program that means something else by
        /// it was passed over when the protocol had none.
        #[serde(default)]
        fault: Value,
    },
}

/// One point of the learning curve.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Observation {
    #[serde(deserialize_with = "number")]
    pub epoch: f64,
    #[serde(deserialize_with = "number")]
    pub val_acc: f64,
    #[serde(default, deserialize_with = "perhaps")]
    pub train_acc: Option<f64>,
    #[serde(default, deserialize_with = "perhaps")]
    pub val_loss: Option<f64>,
    #[serde(default, deserialize_with = "perhaps")]
    pub train_loss: Option<f64>,
    #[serde(default, deserialize_with = "perhaps")]
    pub seconds: Option<f64>,
    pub checkpoint: Option<String>,
}

/// Reads a line of a program.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Answer, serde_json::Error> {
    serde_json::from_str(&quote_non_finite(line))
}

/// JSON has no NaN, but many programs write it: these words become strings, which `Number` reads.
fn quote_non_finite(line: &str) -> String {
    let (mut quoted, mut rest) = (String::with_capacity(line.len()), line);
    let (mut inside, mut escaped) = (false, false);
    while let Some(next) = rest.chars().next() {
        let word =
            ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !inside && rest.starts_with(word));
        if let Some(word) = word {
            quoted.extend(["\"", word, "\""]);
            rest = &rest[word.len()..];
            continue;
        }
        inside ^= next == '"' && !escaped;
        escaped = inside && next == '\\' && !escaped;
        quoted.push(next);
        rest = &rest[next.len_utf8()..];
    }
    quoted
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(Word),
}

#[derive(Deserialize)]
enum Word {
    NaN,
    Infinity,
    #[serde(rename = "-Infinity")]
    MinusInfinity,
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(value) => value,
            Number::Word(Word::NaN) => Self::NAN,
            Number::Word(Word::Infinity) => Self::INFINITY,
            Number::Word(Word::MinusInfinity) => Self::NEG_INFINITY,
        }
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Number::deserialize(deserializer)
        .map(f64::from)
        .map_err(|_| serde::de::Error::custom("epoch and val_acc must be numbers"))
}

fn perhaps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.map(f64::from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Python's `json.dumps` writes it.
    fn python(number: f64) -> String {
        match number {
            n if n.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "Infinity".to_owned(),
            f64::NEG_INFINITY => "-Infinity".to_owned(),
            n => format!("{n:?}"),
        }
    }

    proptest! {
        #[test]
        fn an_observation_is_read_as_python_writes_it(epoch: f64, val_acc: f64, loss: Option<f64>, path in ".{0,12}") {
            let path = serde_json::to_string(&path).unwrap();
            let loss_written = loss.map_or("null".to_owned(), python);
            let line = format!(
                r#"{{"type": "observation", "checkpoint": {path}, "epoch": {}, "val_acc": {}, "val_loss": {loss_written}}}"#,
                python(epoch), python(val_acc)
            );
            let read = observation(&line);
            let bits = |number: f64| if number.is_nan() { None } else { Some(number.to_bits()) };
            prop_assert_eq!((bits(read.epoch), bits(read.val_acc)), (bits(epoch), bits(val_acc)), "{}", line);
            prop_assert_eq!(read.val_loss.map(bits), loss.map(bits), "{}", line);
            prop_assert_eq!(serde_json::to_string(&read.checkpoint).unwrap(), path);
        }

        /// What a worker says is one line, and means what it meant.
        #[test]
        fn an_order_is_one_line(reason in ".{0,12}", seed: i64, epochs in 0.0..1e6, description in ".{0,12}") {
            let job = Job {
                protocol: VERSION, job: 1, attempt: 1, search: reason.clone(), seed, slot: 0,
                genome: serde_json::json!({ "description": description.clone(), "rate": epochs / 7.0 }),
                data: Value::Null, training: Value::Null, epochs, interval: epochs / 3.0, start_epoch: 0.0,
                resume_from: Some(description), checkpoint_directory: reason.clone(),
            };
            for order in [Order::Job(Box::new(job)), Order::Continue, Order::Stop { reason }] {
                let line = serde_json::to_string(&order).unwrap();
                prop_assert!(!line.contains('\n'), "{}", line);
                prop_assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), serde_json::to_value(&order).unwrap());
            }
        }
    }

    fn observation(line: &str) -> Observation {
        match parse(line).unwrap() {
            Answer::Observation(observation) => *observation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn numbers_that_json_has_not_are_read_as_python_writes_them() {
        let line = r#"{"type":"observation","epoch":1,"val_acc":NaN,"train_loss":-Infinity,"val_loss":"Infinity","checkpoint":"NaN \"Infinity"}"#;
        let read = observation(line);
        assert!(read.val_acc.is_nan());
        assert_eq!(read.train_loss, Some(f64::NEG_INFINITY));
        assert_eq!(read.val_loss, Some(f64::INFINITY));
        assert_eq!(read.checkpoint.as_deref(), Some("NaN \"Infinity"), "words in strings are not touched");
        assert_eq!(
            observation(r#"{"type":"observation","epoch":1.5,"val_acc":50,"train_acc":null,"new":{}}"#).epoch,
            1.5
        );
    }

    #[test]
    fn what_is_no_line_of_the_protocol_is_refused() {
        for line in [
            "epoch 1: 61 %",
            "{}",
            r#"{"type":"observation","epoch":1}"#,
            r#"{"type":"observation","epoch":"one","val_acc":1}"#,
            r#"{"type":"observe","epoch":1,"val_acc":1}"#,
            r#"["observation"]"#,
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_examples_of_the_documentation_are_lines_of_the_protocol() {
        let text = include_str!("../../../docs/exec-protocol.md");
        let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("program> ")).collect();
        assert!(lines.len() >= 5, "{}", lines.len());
        for line in lines {
            parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}
