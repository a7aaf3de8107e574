//! Searches simulated over stored curves, with one worker and with many.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::io::Write as _;

use diesel::PgConnection;
use predictor::{EngineName, Prefer, Settings};
use report::{Filter, Output, Replay, Report as _, Style, replay};
use testing::TestDatabase;

/// Networks whose end is told by how they begin: 16 epochs of a - 40·exp(-x/4), with `a` from 60 to 95.
fn import(conn: &mut PgConnection, search: &str, jobs: u32, first: u32) {
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    writeln!(file, "arch,epoch,val_acc").unwrap();
    for (arch, epoch) in (0..jobs).flat_map(|arch| (1..=16_u32).map(move |epoch| (arch, epoch))) {
        let level = 60.0 + f64::from((arch + first) * 37 % 71) / 2.0;
        let noise = f64::from((arch * 13 + epoch * 29) % 17) / 40.0;
        writeln!(file, "{arch},{epoch},{}", level - 40.0 * (-f64::from(epoch) / 4.0).exp() + noise).unwrap();
    }
    file.flush().unwrap();
    let request = import::Request { search, unit: import::Unit::Percent, target: None, engine: None };
    import::import(conn, file.path(), &request).unwrap();
}

fn played(conn: &mut PgConnection, settings: Settings, workers: usize, warm_start: Option<&str>) -> Replay {
    let engines = vec![settings];
    let request = replay::Request { engines, orders: 1, seed: 1, workers, warm_start, cost: false };
    report::replay(conn, "many", &Filter::default(), &request).unwrap()
}

/// Speed, restarts and per cent saved.
fn figures(replay: &Replay) -> (f64, f64, f64) {
    let measured = &replay.engines[0].measured;
    (measured.speed, measured.restarts, measured.measures.epochs_saved_percent.unwrap())
}

#[test]
fn workers_and_what_they_prefer_tell_how_soon_a_search_is_over() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    import(conn, "many", 64, 0);
    let untouched = Settings { engine: EngineName::None, ..Settings::default() };
    assert_eq!(figures(&played(conn, untouched, 5, None)), (1.0, 0.0, 0.0));
    let peng = |prefer| Settings { prefer, ..Settings::default() };
    let one = figures(&played(conn, peng(Prefer::Epochs), 1, None));
    assert!((one.0 - 1.0 / (1.0 - one.2 / 100.0)).abs() < 1e-9, "one worker is never idle: {one:?}");
    assert!(one.1 >= 1.0 && one.2 > 50.0, "{one:?}");
    let waiting = figures(&played(conn, peng(Prefer::Epochs), 64, None));
    let busy = figures(&played(conn, peng(Prefer::Time), 64, None));
    assert!(waiting.0 < 0.6 && waiting.2 > 50.0, "the first jobs are waited for: {waiting:?}");
    assert!(busy.0 > 0.8 && busy.2 < waiting.2, "{busy:?}, where epochs count {waiting:?}");
}

#[test]
fn an_earlier_search_is_known_from_the_beginning() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    import(conn, "many", 40, 0);
    import(conn, "earlier", 40, 29);
    let cold = figures(&played(conn, Settings::default(), 1, None));
    let warm = figures(&played(conn, Settings::default(), 1, Some("earlier")));
    assert!(warm.2 > cold.2 + 1.0, "{warm:?}, without it {cold:?}");
}

#[test]
fn speed_and_restarts_are_in_all_outputs() {
    let database = TestDatabase::new();
    let conn = &mut database.connect();
    import(conn, "many", 20, 0);
    let replay = played(conn, Settings::default(), 4, None);
    for (_, output) in Output::ALL {
        let mut out = Vec::new();
        replay.write(output, Style::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("speed") && text.contains("restarts"), "{text}");
    }
}
