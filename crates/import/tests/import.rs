//! Curves from elsewhere: all or nothing, once, and bad rows by their line.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::path::{Path, PathBuf};

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use import::{Curves, ImportError, Imported, Request, Unit, import};
use testing::TestDatabase;

const REQUEST: Request<'_> = Request { search: "curves", unit: Unit::Percent, target: None, engine: None };

/// A directory with `NAME.csv` and, if given, `NAME.archs.csv`; gone with this value.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(curves: impl AsRef<[u8]>, networks: Option<&str>) -> Self {
        let folder = std::env::temp_dir().join(format!("peng-import-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("c.csv"), curves).unwrap();
        if let Some(networks) = networks {
            std::fs::write(folder.join("c.archs.csv"), networks).unwrap();
        }
        Self { folder }
    }

    fn curves(&self) -> PathBuf {
        self.folder.join("c.csv")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn count(conn: &mut PgConnection, what: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        n: i64,
    }
    sql_query(format!("SELECT count(*) AS n FROM {what}")).get_result::<Row>(conn).unwrap().n
}

#[test]
fn a_curve_ends_as_its_file_says() {
    let files = Files::new(
        "arch,epoch,val_acc,train_acc,recorded_prediction,recorded_converged,epoch_seconds\n\
         0,1,50,60,inf,0,10\n0,2,60,70,71,0,5\n0,3,65,75,70,1,5\n0,4,66,76,70,1,5\n\
         7,1,40,50,,0,10\n7,2,45,55,48.5,1,5\n\
         8,1,30,40,,0,10\n",
        Some("arch,genome,mflops,params\n0,A,1.5,10\n7,B,2,20\n8,A,1.5,10\n"),
    );
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let done = import(conn, &files.curves(), &REQUEST).unwrap();
    assert_eq!(done, Imported::Stored { jobs: 3, observations: 7, cut_off: 1, notes: vec![] });
    let table = [
        (
            "search WHERE state = 'finished' AND max_epochs = 4 AND \"interval\" = 1 AND engine = 'recorded'",
            1,
            "search",
        ),
        (
            "architecture WHERE flops IN (1500000, 2000000) AND parameters IN (10, 20)",
            2,
            "A was trained twice",
        ),
        ("job WHERE mode = 'terminate' AND seed IN (0, 7, 8)", 3, "the arch is the seed"),
        (
            "result WHERE outcome = 'completed' AND final_fitness = 66 AND fitness = 66 AND stop_epoch = 3 AND stop_seconds = 20 \
          AND stop_prediction = 70 AND prediction = 70 AND stop_fitness = 65 AND seconds = 25",
            1,
            "0 was trained on after its decision",
        ),
        (
            "result WHERE outcome = 'terminated' AND final_fitness IS NULL AND fitness = 48.5 AND stop_epoch = 2",
            1,
            "7",
        ),
        (
            "result WHERE outcome = 'cancelled' AND final_fitness IS NULL AND fitness IS NULL",
            1,
            "8 was cut off",
        ),
        ("finish WHERE ordinal IN (1, 2, 3)", 3, "the order of the file"),
        ("observation WHERE prediction IS NULL", 3, "inf and nothing are no predictions"),
        (
            "result CROSS JOIN LATERAL curve_result(job_id, outcome) AS c WHERE \
             (result.step, result.epochs, result.seconds, result.last_fitness, result.best_fitness, result.final_fitness, \
              result.stop_epoch, result.stop_seconds, result.stop_fitness, result.prediction, result.fitness) IS NOT DISTINCT FROM \
             (c.step, c.epochs, c.seconds, c.last_fitness, c.best_fitness, c.final_fitness, c.stop_epoch, c.stop_seconds, \
              c.stop_fitness, c.prediction, c.fitness)",
            3,
            "each result is what the one function makes of its curve",
        ),
    ];
    for (what, expected, why) in table {
        assert_eq!(count(conn, what), expected, "{why}: {what}");
    }
}

#[test]
fn the_same_content_is_stored_once_and_other_content_is_refused() {
    let files = Files::new("arch,epoch,val_acc\n0,1,50\n0,2,60\n", None);
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    import(conn, &files.curves(), &REQUEST).unwrap();
    let again = import(conn, &files.curves(), &REQUEST).unwrap();
    assert_eq!(again, Imported::Unchanged { jobs: 1 });
    assert_eq!((count(conn, "search"), count(conn, "observation")), (1, 2));
    std::fs::write(files.curves(), "arch,epoch,val_acc\n0,1,50\n0,2,61\n").unwrap();
    let error = import(conn, &files.curves(), &REQUEST).unwrap_err();
    assert!(matches!(error, ImportError::NameTaken { .. }), "{error}");
    assert_eq!(count(conn, "observation WHERE val_acc = 61"), 0);
}

#[test]
fn bad_rows_are_named_by_line_and_nothing_is_stored() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    let table = [
        ("arch,epoch,val_acc\r\n0,1,50\r\n0,2,x\r\n", "line 3: val_acc is `x`, expected a number"),
        ("arch,epoch,val_acc\n0,1,50\n\n0,2,nan\n", "line 4: val_acc is `nan`, expected a number"),
        ("arch,epoch,val_acc\n0,1,101\n", "line 2: val_acc is 101, expected per cent from 0 to 100"),
        ("arch,epoch,val_acc\n0,1,50\n0,3,60\n", "line 3: epoch 3 of architecture 0: expected 2"),
        ("arch,epoch,val_acc\n0,1,50\n0,1,60\n", "line 3: epoch 1 of architecture 0: expected 2"),
        ("arch,epoch,val_acc\n,1,50\n", "line 2: arch is empty"),
        ("arch,epoch,val_acc\n", "line 1: no row"),
        (
            "arch,epoch,val_acc,recorded_prediction,recorded_converged\n0,1,50,inf,1\n",
            "line 2: recorded_converged is 1 without a finite recorded_prediction",
        ),
        (
            "arch,epoch,val_acc,recorded_prediction,recorded_converged\n0,1,50,1,yes\n",
            "line 2: recorded_converged is `yes`, expected 0 or 1",
        ),
        (
            "arch,epoch,val_acc,cum_seconds\n0,1,50,9\n0,2,50,8\n",
            "line 3: seconds are negative or run backwards: -1 for the interval",
        ),
        ("arch,epoch,val_acc\n0,0,50\n", "line 2: epoch is 0, expected a number above 0"),
        ("arch,epoch,val_acc\n0,-1,50\n", "line 2: epoch is -1, expected a number above 0"),
        (
            "arch,epoch,val_acc\n1,1,50\n1,2,60\n01,1,20\n01,2,30\n",
            "line 4: arch is `01`, expected `1` as on line 2, or a name",
        ),
        ("arch,epoch,val_acc\n0,1\n", "line 2: 2 columns, expected 3 as in the header"),
        ("arch,epoch,val_acc\n0,1,50\n\"0,2,60\n", "line 3: 1 columns, expected 3 as in the header"),
        ("\n\narch,epoch,val_acc\n\"0\n\",1,50\n\n0,2,x\n", "line 7: val_acc is `x`"),
        ("arch,epoch,val_acc\na\0b,1,50\n", "line 2: arch holds the control character U+0000"),
        ("arch,epoch,val_acc\n\x1b[31ma,1,50\n", "line 2: arch holds the control character U+001B"),
        ("arch,epoch,val_acc,\0\na,1,50,\n", "line 1: the header holds the control character U+0000"),
        ("arch,epoch,val_acc,epoch\na,1,50,1\n", "line 1: column 4 is `epoch` again, expected each once"),
        ("{\"arch\":\"a\",\"epoch\":1,\"val_acc\":150}\n", "line 1: val_acc is 150, expected per cent"),
        ("{\"arch\":\"a\",\"epoch\":1}\n", "line 1: val_acc is ``, expected a number"),
        ("\n{\"arch\":\"a\",\n", "line 2: no JSON object in one line: EOF"),
        ("{\"arch\":[1],\"epoch\":1,\"val_acc\":1}\n", "line 1: arch is `[1]`, expected a number or a text"),
        ("[{\"arch\":\"a\",\"epoch\":1,\"val_acc\":50}]", "is a JSON array: expected one object a line"),
        ("arch,epoch,accuracy\n0,1,50\n", "no column `val_acc`; found arch, epoch, accuracy"),
    ];
    for (text, expected) in table {
        let error = import(conn, &Files::new(text, None).curves(), &REQUEST).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let long = "h".repeat(501);
    let networks = format!("arch,genome,flops,hash\n0,A,x,\n1,B,2,\n1,B,3,\n2,C,-1,{long}\n");
    let error = import(conn, &Files::new("arch,epoch,val_acc\n3,1,50\n", Some(&networks)).curves(), &REQUEST)
        .unwrap_err()
        .to_string();
    for expected in [
        "c.archs.csv",
        "line 2: flops is `x`",
        "line 4: architecture 1 is described twice",
        "line 5: flops is -1, expected 0 or more",
        "line 5: hash has 501 bytes, expected 500 at most",
        "architecture 3 has a curve and no row",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!((count(conn, "search"), count(conn, "job"), count(conn, "observation")), (0, 0, 0));
}

#[test]
fn many_faults_are_counted() {
    let rows: String = (1..=30).map(|i| format!("0,{i},-1\n")).collect();
    let files = Files::new(format!("arch,epoch,val_acc\n{rows}"), None);
    let error = Curves::read(&files.curves(), Unit::Percent, None).unwrap_err().to_string();
    assert!(error.ends_with("and 10 more"), "{error}");
}

#[test]
fn fractions_become_per_cent_and_points_beyond_the_target_are_left_out() {
    let files = Files::new("arch,epoch,val_acc,lr\na,0.5,0.25,1\na,1,0.5,1\na,1.5,0.75,1\n", None);
    let curves = Curves::read(&files.curves(), Unit::Fraction, Some(1.0)).unwrap();
    assert_eq!((curves.interval, curves.target), (0.5, 1.0));
    let accuracies: Vec<f64> = curves.curves[0].points.iter().map(|p| p.val_acc).collect();
    assert_eq!(accuracies, [25.0, 50.0]);
    assert_eq!(
        curves.notes,
        ["columns that are not stored: lr", "1 points beyond the target of 1 epochs are not stored"]
    );
    assert!(
        Curves::read(Path::new("/no/such.csv"), Unit::Percent, None)
            .unwrap_err()
            .to_string()
            .contains("/no/such.csv")
    );
}

#[test]
fn a_target_or_name_that_cannot_be_is_refused_before_anything_is_asked_of_the_database() {
    let files = Files::new("arch,epoch,val_acc\n0,0.5,50\n0,1,60\n", None);
    for target in [f64::NAN, f64::INFINITY, 0.0, -1.0, 0.4, 1e9] {
        let error = Curves::read(&files.curves(), Unit::Percent, Some(target)).unwrap_err().to_string();
        assert!(error.contains(&format!("the target is {target} epochs: expected 0.5 or more")), "{error}");
    }
    assert_eq!(Curves::read(&files.curves(), Unit::Percent, Some(0.5)).unwrap().target, 0.5);
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    for search in ["", "a b", "é", "-"] {
        let error = import(conn, &files.curves(), &Request { search, ..REQUEST }).unwrap_err();
        assert!(matches!(error, ImportError::Name { .. }), "{search}: {error}");
    }
}

/// A pipe such as `/dev/stdin` gives its content once.
#[cfg(unix)]
#[test]
fn a_file_is_read_once() {
    let read = |content: &'static str| {
        let files = Files::new("", None);
        let pipe = files.folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, content).unwrap()
        });
        let curves = Curves::read(&pipe, Unit::Percent, None).unwrap();
        writer.join().unwrap();
        curves
    };
    let one = read("arch,epoch,val_acc\na,1,50\na,2,60\n");
    let other = read("arch,epoch,val_acc\na,1,10\na,2,99\n");
    assert_eq!(one.curves[0].points[1].val_acc, 60.0);
    assert_ne!(one.sha256, other.sha256, "it was hashed in a second reading, of nothing");
}

#[test]
fn json_lines_marks_and_line_ends_make_no_difference() {
    let plain = "arch,epoch,val_acc\na,1,50\na,2,60.5\n";
    let json = "{\"arch\":\"a\",\"epoch\":1,\"val_acc\":50}\n\n{\"arch\":\"a\",\"epoch\":2,\"val_acc\":60.5,\"lr\":0.1}\n";
    let epochs = |content: &str| {
        let curves = Curves::read(&Files::new(content, None).curves(), Unit::Percent, None).unwrap();
        curves.curves[0].points.iter().map(|p| (p.epoch, p.val_acc)).collect::<Vec<_>>()
    };
    for content in [plain, json] {
        for content in [content.to_owned(), content.replace('\n', "\r\n"), content.trim_end().to_owned()] {
            assert_eq!(epochs(&content), [(1.0, 50.0), (2.0, 60.5)], "{content:?}");
            assert_eq!(
                epochs(&format!("\u{feff}{content}")),
                [(1.0, 50.0), (2.0, 60.5)],
                "{content:?}, marked"
            );
        }
    }
    let utf16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = Curves::read(&Files::new(utf16, None).curves(), Unit::Percent, None).unwrap_err();
    assert!(
        matches!(&error, ImportError::Read { source, .. } if source.to_string().contains("UTF-16")),
        "{error:?}"
    );
}
