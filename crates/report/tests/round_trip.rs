//! Curves are the same when they are imported, exported and imported again.
#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    fs,
};

use import::{Curves, Point, Request, Unit, import};
use proptest::{prelude::*, test_runner::TestRunner};
use report::{Filter, export_curves};
use testing::TestDatabase;

/// In per cent, with all the digits that it may have.
fn accuracy() -> impl Strategy<Value = f64> {
    (0..=1_u64 << 53).prop_map(|n| n as f64 / (1_u64 << 53) as f64 * 100.0)
}

/// Accuracy, training accuracy, loss and seconds of the points of a curve.
type Row = (f64, Option<f64>, Option<f64>, f64);

fn curves() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let loss = any::<f64>().prop_filter("no import takes another", |loss| loss.is_finite());
    let row = (accuracy(), prop::option::of(accuracy()), prop::option::of(loss), 0.0..1e6);
    prop::collection::vec(prop::collection::vec(row, 1..6), 1..4)
}

fn written(curves: &[Vec<Row>], interval: f64) -> String {
    let number = |n: Option<f64>| n.map(|n| n.to_string()).unwrap_or_default();
    let mut csv = "arch,epoch,val_acc,train_acc,train_loss,epoch_seconds\n".to_owned();
    for (arch, curve) in curves.iter().enumerate() {
        for (step, (val_acc, train_acc, loss, seconds)) in (1..).zip(curve) {
            let (train_acc, loss) = (number(*train_acc), number(*loss));
            writeln!(csv, "{arch},{},{val_acc},{train_acc},{loss},{seconds}", f64::from(step) * interval)
                .unwrap();
        }
    }
    csv
}

/// All that is stored of the curves.
fn content(read: &Curves) -> Vec<Vec<Point>> {
    let bare = |point: &Point| Point { line: 0, arch: String::new(), total_seconds: None, ..point.clone() };
    read.curves.iter().map(|curve| curve.points.iter().map(bare).collect()).collect()
}

#[test]
fn curves_survive_the_database() {
    let database = TestDatabase::new();
    let conn = RefCell::new(database.connect());
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one.csv"), folder.path().join("other.csv"));
    let all = Filter::default();
    let count = Cell::new(0);
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() });
    let interval = prop::sample::select(vec![1.0, 0.5, 0.1, 3.0]);
    let tested = runner.run(&(curves(), interval), |(curves, interval)| {
        fs::write(&one, written(&curves, interval)).unwrap();
        count.set(count.get() + 1);
        let (name, conn) = (format!("search-{}", count.get()), &mut *conn.borrow_mut());
        let request = Request { search: &name, unit: Unit::Percent, target: None, engine: None };
        import(conn, &one, &request).unwrap();
        export_curves(conn, &name, &all, fs::File::create(&other).unwrap()).unwrap();
        let read = |path| Curves::read(path, Unit::Percent, None).unwrap();
        prop_assert_eq!(content(&read(&other)), content(&read(&one)));
        Ok(())
    });
    tested.unwrap();
}
