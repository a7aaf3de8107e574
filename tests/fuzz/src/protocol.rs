//! Lines of a program, as `peng-exec-worker` reads them.

use serde_json::{Value, json};

#[path = "../../../workers/exec/src/protocol.rs"]
#[cfg_attr(not(test), expect(dead_code, reason = "the lines of the worker are only written"))]
mod lines;

use lines::{Answer, Observation};

/// What is JSON is read as JSON; an observation that is understood means the same when it is written as Python writes it.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let answer = lines::parse(&text);
    let Ok(answer) = answer else {
        assert!(serde_json::from_str::<Answer>(&text).is_err(), "JSON that is not read: {text}");
        return;
    };
    if let Ok(json) = serde_json::from_str::<Value>(&text) {
        let strict = Answer::deserialize_value(json);
        assert!(same(&answer, &strict), "{answer:?} instead of {strict:?}");
    }
    if let Answer::Observation(observation) = &answer {
        let python = as_python(observation);
        let again = lines::parse(&python).unwrap_or_else(|error| panic!("{python}: {error}"));
        assert!(same(&again, &answer), "{python}: {again:?} instead of {answer:?}");
    }
}

impl Answer {
    fn deserialize_value(json: Value) -> Self {
        serde_json::from_value(json).expect("JSON that was understood")
    }
}

/// NaN is the same as NaN.
fn same(one: &Answer, other: &Answer) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

fn as_python(observation: &Observation) -> String {
    let number = |n: f64| match n {
        n if n.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        n => n.to_string(),
    };
    let Observation { epoch, val_acc, train_acc, val_loss, train_loss, seconds, checkpoint } = observation;
    let required = [("epoch", Some(*epoch)), ("val_acc", Some(*val_acc))];
    let optional = [
        ("train_acc", *train_acc),
        ("val_loss", *val_loss),
        ("train_loss", *train_loss),
        ("seconds", *seconds),
    ];
    let numbers = required.into_iter().chain(optional).filter_map(|(key, n)| Some((key, number(n?))));
    let fields: String = numbers.map(|(key, n)| format!(r#","{key}":{n}"#)).collect();
    format!(r#"{{"type":"observation","checkpoint":{}{fields}}}"#, json!(checkpoint))
}
