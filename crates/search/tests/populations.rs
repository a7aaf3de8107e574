//! What a process keeps of a population between proposals is what the database holds.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{STRATEGIES, begin, claimer, end};
use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};
use search::{LiveScheduler, Populations, propose};
use store::job::Outcome;
use testing::TestDatabase;

#[derive(QueryableByName, Debug, PartialEq)]
struct Proposed {
    #[diesel(sql_type = sql_types::Text)]
    hash: String,
    #[diesel(sql_type = sql_types::Integer)]
    generation: i32,
}

/// Plays a search of 24 jobs whose outcomes follow from their numbers; `populations` says what each proposal is made with.
fn play(strategy: &str, mut populations: impl FnMut(usize) -> usize) -> Vec<Proposed> {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, spec) = begin(&mut conn, strategy, 24, 4);
    let mut claimer = claimer(&mut conn);
    let kept: Vec<_> = (0..100).map(|_| Populations::default()).collect();
    for i in 0.. {
        let Some(claim) = claimer.claim(&mut conn).unwrap() else { break };
        let outcome = if i % 5 == 3 { Outcome::Diverged } else { Outcome::Completed };
        end(&mut conn, claim.lease(), outcome, 50.0 + (i * 37 % 23) as f64);
        propose(&mut conn, search, &spec, &kept[populations(i)]).unwrap();
    }
    sql_query("SELECT hash, generation FROM architecture ORDER BY id").load(&mut conn).unwrap()
}

#[test]
fn proposals_are_the_same_whoever_makes_them() {
    for strategy in STRATEGIES {
        let anew = play(strategy, |i| i);
        assert_eq!(anew.len(), 24, "{strategy}");
        assert_eq!(play(strategy, |_| 0), anew, "{strategy}: by one process");
        assert_eq!(
            play(strategy, |i| i % 3),
            anew,
            "{strategy}: by three in turns, each of which missed some"
        );
    }
}

/// After a fail-over to a standby that had not all, the same place in the order of endings may be another ending's.
#[test]
fn what_the_database_has_lost_is_forgotten() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let (search, spec) = begin(&mut conn, STRATEGIES[0], 40, 4);
    let (mut claimer, populations) = (claimer(&mut conn), Populations::default());
    let mut live = LiveScheduler::new(&mut conn, search, &spec).unwrap();
    let mut lease = || claimer.claim(&mut database.connect()).unwrap().unwrap().lease();
    let (lost, other) = (lease(), lease());
    end(&mut conn, lost, Outcome::Completed, 90.0);
    propose(&mut conn, search, &spec, &populations).unwrap();
    live.refresh(&mut conn).unwrap();
    let learned = format!("{live:?}");
    conn.batch_execute("DELETE FROM finish; DELETE FROM result; DELETE FROM observation").unwrap();
    conn.batch_execute(&format!(
        "UPDATE job SET state = 'waiting', run_after = now() + interval '1 day' WHERE id = {}",
        lost.job_id
    ))
    .unwrap();
    end(&mut conn, other, Outcome::Diverged, 10.0);
    live.refresh(&mut conn).unwrap();
    let mut anew = LiveScheduler::new(&mut conn, search, &spec).unwrap();
    anew.refresh(&mut conn).unwrap();
    assert_eq!(live.seen(), anew.seen(), "the same place");
    assert_eq!(format!("{live:?}"), format!("{anew:?}"));
    assert_ne!(format!("{live:?}"), learned, "what was lost is not known any more");
    // The lost one counts as waiting again, so that four are in flight with no more proposals than for a process that is new.
    let fresh = Populations::default();
    let (kept, anew) = (
        propose(&mut conn, search, &spec, &populations).unwrap(),
        propose(&mut conn, search, &spec, &fresh).unwrap(),
    );
    assert_eq!((kept, anew), (0, 0), "one had been proposed for the ending that was lost");
}
