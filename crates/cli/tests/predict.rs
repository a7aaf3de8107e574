//! `peng predict` on pipes and files.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Output, Stdio},
};

const CURVE: [f64; 7] = [50.0, 60.0, 65.0, 67.5, 68.75, 69.375, 69.69];

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peng"));
    command
        .arg("predict")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn predict(arguments: &[&str], input: &str) -> Output {
    let mut child = start(arguments);
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn csv(scale: f64) -> String {
    let rows = CURVE.iter().enumerate().map(|(i, accuracy)| format!("a,{},{}\n", i + 1, accuracy * scale));
    format!("arch,epoch,val_acc\n{}b,1,{}\n", rows.collect::<String>(), 40.0 * scale)
}

fn json_lines() -> String {
    let lines = CURVE.iter().enumerate();
    lines
        .map(|(i, accuracy)| format!("{{\"arch\":7,\"epoch\":{},\"val_acc\":{accuracy}}}\n", i + 1))
        .collect()
}

const ENGINE: [&str; 4] = ["--engine", "penguin-v4", "--epochs", "25"];

#[test]
fn each_curve_gets_one_answer_whatever_the_format() {
    let inputs: [(String, &[&str], usize); 5] = [
        (format!("\u{feff}{}", csv(1.0)), &[], 2),
        (format!("\u{feff}{}", json_lines()), &[], 1),
        (csv(1.0), &[], 2),
        (csv(0.01), &["--unit", "fraction"], 2),
        (json_lines(), &[], 1),
    ];
    for (input, more, count) in inputs {
        let output = predict(&[&ENGINE[..], more, &["--output", "json"]].concat(), &input);
        let answers: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answers.as_array().unwrap().len(), count, "{more:?}");
        assert_eq!(answers[0]["decision"], "stop", "{answers}");
        assert!((answers[0]["prediction"].as_f64().unwrap() - 70.0).abs() < 0.1, "{answers}");
        assert!(count == 1 || answers[1]["decision"] == "continue", "{answers}");
    }
    let strict =
        predict(&[&ENGINE[..], &["--set", "threshold=0.001", "--output", "csv"]].concat(), &csv(1.0));
    let text = String::from_utf8(strict.stdout).unwrap();
    assert!(text.lines().nth(1).unwrap().contains(",continue,"), "{text}");
}

#[test]
fn a_stream_is_answered_point_by_point() {
    let mut child = start(&[&ENGINE[..], &["--follow"]].concat());
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for (i, line) in json_lines().lines().enumerate() {
        writeln!(input, "{line}").unwrap();
        // Returns only because the answer does not wait for the next point.
        let answer: serde_json::Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(answer["epoch"].as_f64(), Some(i as f64 + 1.0));
        assert_eq!(answer["decision"] == "stop", i >= 5, "{answer}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn finished_curves_teach_the_engine() {
    let mut input = String::from("arch,epoch,val_acc\n");
    for arch in 0..12 {
        for epoch in 1..=10 {
            let accuracy = 60.0 + f64::from(arch) * 2.0 - 30.0 * (-0.4 * f64::from(epoch)).exp();
            input += &format!("{arch},{epoch},{accuracy}\n");
        }
    }
    input += "new,1,25\nnew,2,32\nnew,3,36\nnew,4,39\n";
    let output = predict(&["--epochs", "10", "--output", "json"], &input);
    let answers: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let new = answers.as_array().unwrap().last().unwrap();
    assert_eq!((new["arch"].as_str(), new["decision"].as_str()), (Some("new"), Some("stop")), "{new}");
    assert!(new["low_80"].as_f64().unwrap() < new["prediction"].as_f64().unwrap(), "{new}");
}

#[test]
fn bad_input_is_named_with_its_place() {
    let table: [(&[&str], &str, &str, &str); 13] = [
        (&ENGINE, "arch,epoch\na,1\n", "no column `val_acc`; found arch, epoch", "no accuracy"),
        (
            &ENGINE,
            "epoch,val_acc\n1,50\n1,51\n",
            "line 3, curve ``: point 2 of the curve: epoch 1 does not follow",
            "order",
        ),
        (&ENGINE, "epoch,val_acc\n1,NaN\n", "line 2: val_acc is `NaN`, expected a number", "NaN"),
        (
            &ENGINE,
            "arch,epoch,val_acc\na,1,50\nb,1,nan\nb,2,-1\n",
            "line 3: val_acc is `nan`, expected a number\n  line 4: val_acc is -1, expected per cent",
            "every bad row",
        ),
        (
            &ENGINE,
            "arch,epoch,val_acc\na,1,150\n",
            "line 2: val_acc is 150, expected per cent from 0 to 100",
            "range",
        ),
        (
            &ENGINE,
            "[{\"arch\":\"a\",\"epoch\":1,\"val_acc\":50}]\n",
            "is a JSON array: expected one object a line",
            "array",
        ),
        (&ENGINE, "", "no column `epoch`", "nothing"),
        (&ENGINE, "epoch,val_acc\n", "no row", "a header"),
        (
            &ENGINE,
            "{\"epoch\":1,\"val_acc\":50}\n\n{\"epoch\":2}\n",
            "line 3: val_acc is ``, expected a number",
            "JSON",
        ),
        (
            &["--unit", "fraction", "--epochs", "9"],
            "epoch,val_acc\n1,50\n",
            "line 2: val_acc is 50, expected a fraction from 0 to 1",
            "unit",
        ),
        (&["--set", "kep=1", "--epochs", "9"], "", "unknown field `kep`", "setting"),
        (&["--set", "keep=2", "--epochs", "9"], "", "keep = 2: must be", "range"),
        (&["--epochs", "9", "/nowhere/x.csv"], "", "cannot read `/nowhere/x.csv`", "file"),
    ];
    for (arguments, input, expected, why) in table {
        let output = predict(arguments, input);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{why}: {text}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{why}: nothing is answered");
        assert!(text.contains(expected), "{why}: {text}");
    }
    assert_eq!(predict(&["--engine", "pengu", "--epochs", "9"], "").status.code(), Some(2));
}
