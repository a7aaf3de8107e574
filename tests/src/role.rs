//! Users of a laboratory's database, each with the rights of one of its roles and no others.

use diesel::{QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types};
use store::Database;

/// What somebody may do with a database: see docs/security.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All.
    Owner,
    /// Submit and steer searches.
    Submit,
    /// Train jobs.
    Worker,
    /// Read.
    Read,
}

/// The users of a database that has roles: one for each, in the tests' server for good, since databases of tests are copies of
/// one that have its roles.
const USERS: &str = "DO $$
DECLARE
    kind text;
    id   constant text := (SELECT left(identity.id::text, 8) FROM identity);
BEGIN
    FOREACH kind IN ARRAY ARRAY['submit', 'worker', 'read'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN IN ROLE %I', format('lab_%s_%s', kind, id), format('peng_%s_%s', kind, id));
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$";

/// Makes the users of a database; returns their last name. `None`: it does not answer, or has no roles.
pub(crate) fn make_users(url: &str) -> Option<String> {
    #[derive(QueryableByName)]
    struct Identity {
        #[diesel(sql_type = sql_types::Text)]
        id: String,
    }
    let mut conn = Database::new(url).ok()?.connect().ok()?;
    conn.batch_execute(USERS).ok()?;
    let identity: Identity =
        sql_query("SELECT left(id::text, 8) AS id FROM identity").get_result(&mut conn).ok()?;
    Some(identity.id)
}

impl Role {
    /// The least that a `peng` command needs.
    pub fn of(arguments: &[&str]) -> Self {
        match arguments {
            ["db", ..] | ["search", "delete", ..] => Self::Owner,
            ["report", ..]
            | ["curve", "export" | "replay", ..]
            | ["search", "list" | "show" | "results" | "watch", ..]
            | ["job", "list" | "show" | "log", ..]
            | ["worker", "list" | "show", ..] => Self::Read,
            _ => Self::Submit,
        }
    }

    /// The URL of its user, from that of the owner.
    pub(crate) fn url(self, owner: &str, identity: &str) -> String {
        let user = match self {
            Self::Owner => return owner.to_owned(),
            Self::Submit => "submit",
            Self::Worker => "worker",
            Self::Read => "read",
        };
        let url = owner.replace("user=peng", &format!("user=lab_{user}_{identity}"));
        assert_ne!(url, owner, "a URL of a test server names its user");
        url
    }
}
