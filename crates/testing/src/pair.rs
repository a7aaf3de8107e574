//! A primary and a streaming standby, for tests of fail-over.

use std::{
    fs,
    io::Write as _,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::PathBuf,
    process::Command,
};

use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};
use local_postgres::Status;

use crate::{Postgres, postgres::patiently};

/// Two servers of which one follows the other; stopped and removed with this value.
#[derive(Debug)]
pub struct Pair {
    primary: Postgres,
    standby: Postgres,
    is_synchronous: bool,
}

impl Pair {
    /// A primary, and a standby that streams from it. Where it is synchronous, no commit is acknowledged that the standby has
    /// not written.
    ///
    /// # Panics
    /// If there is no Postgres on this machine, as all of these.
    pub fn start(is_synchronous: bool) -> Self {
        let pair = Self { primary: Postgres::start(), standby: Postgres::stopped(), is_synchronous };
        pair.primary.set("wal_keep_size", "1GB");
        pair.follow();
        pair
    }

    /// URL of whichever of them takes writes.
    pub fn url(&self) -> String {
        // Always in the same order, whichever is the primary: a client knows no better.
        let mut hosts = [self.primary.socket_dir(), self.standby.socket_dir()];
        hosts.sort();
        format!("postgresql:///peng?host={}&user=peng&target_session_attrs=read-write", hosts.join(","))
    }

    /// The server that takes writes, unless it was killed.
    pub fn primary(&self) -> &Postgres {
        &self.primary
    }

    /// The server that follows.
    pub fn standby(&self) -> &Postgres {
        &self.standby
    }

    /// Lets the standby receive nothing more: what is committed from now on is lost with the primary.
    ///
    /// # Panics
    /// If it goes on receiving.
    pub fn cut_stream(&self) {
        self.standby.set("primary_conninfo", "");
        patiently(|| match count(&self.standby, "pg_stat_wal_receiver") {
            0 => Ok(()),
            _ => Err("the standby still receives".to_owned()),
        });
    }

    /// Promotes the standby of a primary that was killed.
    ///
    /// # Panics
    /// If it is not promoted.
    pub fn promote(&mut self) {
        // The new primary must not wait for a standby that does not exist.
        self.standby.set("synchronous_standby_names", "");
        let mut conn = self.standby.connect();
        conn.batch_execute("SELECT pg_promote(true, 60)").expect("the standby can be promoted");
        patiently(|| match count(&self.standby, "pg_is_in_recovery() AS recovers WHERE recovers") {
            0 => Ok(()),
            _ => Err("the standby still follows".to_owned()),
        });
        std::mem::swap(&mut self.primary, &mut self.standby);
    }

    /// Makes the standby anew from a copy of the primary, and waits until it streams.
    ///
    /// # Panics
    /// If it does not.
    pub fn follow(&self) {
        let (from, to) = (self.primary.server().home(), self.standby.server().home());
        let owner = fs::metadata(from).expect("the primary has a directory");
        let _absent = fs::remove_dir_all(self.standby.data());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(to).expect("a directory for the standby");
        chown(to, Some(owner.uid()), Some(owner.gid())).expect("the directory is of the same user");
        let source =
            format!("host={} user=peng dbname=peng application_name=standby", self.primary.socket_dir());
        let mut copy = Command::new(self.programs().join("pg_basebackup"));
        copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &source, "-D"])
            .arg(self.standby.data());
        let output =
            copy.uid(owner.uid()).gid(owner.gid()).current_dir("/").output().expect("pg_basebackup runs");
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        let settings = self.standby.data().join("postgresql.conf");
        let mut settings = fs::OpenOptions::new().append(true).open(settings).expect("the copy has settings");
        writeln!(settings, "unix_socket_directories = '{}'", self.standby.socket_dir())
            .expect("they can be written");
        self.standby.restart();
        self.await_stream();
    }

    fn await_stream(&self) {
        if self.is_synchronous {
            self.primary.set("synchronous_standby_names", "*");
        }
        let sync_state = if self.is_synchronous { "sync" } else { "async" };
        let streaming =
            format!("pg_stat_replication WHERE state = 'streaming' AND sync_state = '{sync_state}'");
        patiently(|| match count(&self.primary, &streaming) {
            0 => Err("the standby does not stream".to_owned()),
            _ => Ok(()),
        });
    }

    /// The directory of the programs of Postgres that the primary runs.
    fn programs(&self) -> PathBuf {
        let Ok(Status::Up(pid)) = self.primary.server().status() else { panic!("the primary does not run") };
        let mut program = fs::read_link(format!("/proc/{pid}/exe")).expect("a process has a program");
        program.pop();
        program
    }
}

fn count(postgres: &Postgres, what: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = sql_types::BigInt)]
        n: i64,
    }
    let counted = sql_query(format!("SELECT count(*) AS n FROM {what}")).get_result(&mut postgres.connect());
    let Row { n } = counted.expect("the server counts");
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of kill, promotion and a new standby; how many of 20 commits of each the next primary has.
    fn kept(is_synchronous: bool) -> [i64; 2] {
        let mut pair = Pair::start(is_synchronous);
        pair.primary().connect().batch_execute("CREATE TABLE kept (round integer)").expect("a table");
        [0, 1].map(|round| {
            if !is_synchronous {
                pair.await_replay();
                pair.cut_stream();
            }
            let insert = format!("INSERT INTO kept VALUES ({round})");
            let mut conn = pair.primary().connect();
            (0..20).for_each(|_| conn.batch_execute(&insert).expect("the primary writes"));
            pair.primary().kill();
            pair.promote();
            pair.follow();
            count(pair.primary(), &format!("kept WHERE round = {round}"))
        })
    }

    impl Pair {
        fn await_replay(&self) {
            patiently(|| match count(&self.standby, "pg_class WHERE relname = 'kept'") {
                0 => Err("the standby has no table yet".to_owned()),
                _ => Ok(()),
            });
        }
    }

    #[test]
    fn a_synchronous_standby_has_every_commit_and_one_that_was_cut_off_has_none() {
        assert_eq!(kept(true), [20, 20]);
        assert_eq!(kept(false), [0, 0]);
    }
}
