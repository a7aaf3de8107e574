//! Every command on imported curves, with networks whose hashes are short.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{path::Path, process::Command};

use testing::TestDatabase;

const CURVES: &str = "\u{feff}arch,epoch,val_acc,recorded_prediction,recorded_converged\n\
    a,1,50,inf,0\na,2,60,61,0\nb,1,40,,0\nb,2,45,46,0\nc,1,20,21,1\nd,1,30,,0\n";
const NETWORKS: &str = "arch,hash,genome\na,h1,[A]\nb,é東,[B]\nc,sha-of-elev,[C]\nd,x,[D]\n";

struct Lab {
    database: TestDatabase,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.csv"), CURVES).unwrap();
        std::fs::write(folder.path().join("c.archs.csv"), NETWORKS).unwrap();
        Self { database: TestDatabase::new(), folder }
    }

    /// Exit code, stdout, stderr.
    fn peng(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peng"));
        command.args(arguments).current_dir(self.folder.path()).env("DATABASE_URL", self.database.url());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn import(&self, arguments: &[&str]) -> (i32, String, String) {
        self.peng(&[&["curve", "import", "c.csv", "--unit", "percent", "--search", "c"], arguments].concat())
    }
}

#[test]
fn all_commands_work_on_an_import() {
    let lab = Lab::new();
    let (code, _, error) = lab.import(&[]);
    assert_eq!(code, 0, "{error}");
    let table: [(&[&str], &str); 26] = [
        (&["search", "list"], "finished"),
        (&["search", "show", "c"], "file = \"c.csv\""),
        (&["search", "show", "c", "--output", "json"], "\"c.csv\""),
        (&["search", "watch", "c"], ""),
        (&["search", "results", "c"], "é東"),
        (&["search", "results", "c", "--output", "csv"], "sha-of-elev"),
        (&["search", "pause", "c"], "only a running search is paused"),
        (&["search", "resume", "c"], "only a paused search is resumed"),
        (&["search", "cancel", "c", "--yes"], "only a running or paused search is cancelled"),
        (&["job", "list"], "completed"),
        (&["job", "show", "1-4"], "as recorded"),
        (&["job", "show", "1-4", "--output", "json"], "as recorded"),
        (&["job", "log", "1-4"], ""),
        (&["job", "priority", "1", "5"], "1 have ended"),
        (&["job", "retry", "1-4"], "0 jobs are ready again; 4 were left alone"),
        (&["job", "cancel", "1-4", "--yes"], "0 cancelled"),
        (&["report", "summary", "c"], "c"),
        (&["report", "summary", "c", "--output", "html"], "<html"),
        (&["report", "savings", "c"], "c"),
        (&["report", "ranking", "c"], "c"),
        (&["report", "calibration", "c"], "c"),
        (&["report", "pareto", "c"], "c"),
        (&["report", "compare", "c", "c"], "c"),
        (&["report", "job", "2"], "é東"),
        (&["curve", "export", "--search", "c"], "val_acc"),
        (&["curve", "replay", "--search", "c", "--engine", "peng,median"], "median"),
    ];
    for (arguments, expected) in table {
        let (code, text, error) = lab.peng(arguments);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        assert!(text.contains(expected), "{arguments:?}: {text}");
    }
    let states = lab.peng(&["job", "list", "--output", "csv"]).1;
    assert!(!states.contains("ready") && states.contains("cancelled"), "nobody can train them: {states}");
}

#[test]
fn what_would_train_an_import_says_that_nothing_can() {
    let lab = Lab::new();
    lab.import(&[]);
    std::fs::write(lab.folder.path().join("more.jsonl"), "{}\n").unwrap();
    let why = "its curves were imported from `c.csv`: there is nothing that peng could train";
    for arguments in [&["search", "promote", "c", "--top", "1"][..], &["search", "add", "c", "more.jsonl"]] {
        let (code, _, error) = lab.peng(arguments);
        assert_eq!(code, 1, "{arguments:?}");
        assert!(error.contains(why), "{arguments:?}: {error}");
    }
}

#[test]
fn what_is_exported_is_imported_again() {
    let lab = Lab::new();
    lab.import(&[]);
    assert_eq!(lab.peng(&["curve", "export", "--search", "c", "out.csv"]).0, 0);
    let (code, text, error) =
        lab.peng(&["curve", "import", "out.csv", "--unit", "percent", "--search", "again", "--target", "2"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("stored 6 points of 4 curves"), "{text}");
}

#[test]
fn a_bad_file_is_refused_without_a_database() {
    let lab = Lab::new();
    std::fs::write(lab.folder.path().join("bad.csv"), "arch,epoch,val_acc\n1,1,50\n01,1,20\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_peng"));
    command.args(["curve", "import", "bad.csv", "--unit", "percent", "--search", "c"]);
    command.current_dir(lab.folder.path()).env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/nowhere");
    let error = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(error.contains("line 3: arch is `01`, expected `1` as on line 2, or a name"), "{error}");
}

/// Genomes and specifications with a byte order mark, as Windows saves them; whole numbers that would be rounded.
#[test]
fn a_submission_is_read_as_it_was_saved() {
    let lab = Lab::new();
    let write =
        |name: &str, text: &str| std::fs::write(Path::new(lab.folder.path()).join(name), text).unwrap();
    write(
        "s.toml",
        "\u{feff}name = \"s\"\r\n[data]\r\nset = \"digits\"\r\n[space]\r\nkind = \"external\"\r\n[strategy]\r\n\
         kind = \"given\"\r\n[budget]\r\njobs = 2\r\nmax_epochs = 3\r\n",
    );
    let genome = |n: &str| format!("{{\"space\":\"external\",\"description\":{{\"n\":{n}}}}}\r\n");
    write("good.jsonl", &format!("\u{feff}{}{}", genome("1"), genome("18446744073709551615")));
    write("bad.jsonl", &format!("\u{feff}{}{}", genome("1"), genome("18446744073709551616")));
    let (code, text, error) =
        lab.peng(&["search", "submit", "s.toml", "--architectures", "good.jsonl", "--dry-run"]);
    assert_eq!(code, 0, "{error}");
    assert!(text.contains("{\"n\":18446744073709551615}"), "{text}");
    let (code, _, error) = lab.peng(&["search", "submit", "s.toml", "--architectures", "bad.jsonl"]);
    assert_eq!(code, 1);
    assert!(
        error.contains("bad.jsonl:2: the whole number 18446744073709551616 is beyond 64 bits"),
        "{error}"
    );
}
