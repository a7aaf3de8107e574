//! Hearing of new jobs at once, on a connection of its own. Polling finds them too, a moment later: a listener that
//! cannot connect (PgBouncer in transaction mode passes no notifications on) costs nothing but that moment.

use std::time::Duration;

use postgres::{Client, fallible_iterator::FallibleIterator as _};

use crate::{
    Database,
    client::{self, ListenError},
    search::CHANNEL,
};

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// So many jobs can be claimed; one may stand for more.
    Jobs(u32),
    /// A terminated job was resumed, so that there may be more to resume.
    Thawed,
}

impl News {
    /// A payload is a class, or a class and what there is of it: a number of jobs, or the word `thaw`.
    fn of(payload: &str, class: &str) -> Option<Self> {
        match payload.strip_prefix(class)? {
            "" => Some(Self::Jobs(1)),
            " thaw" => Some(Self::Thawed),
            rest => rest.strip_prefix(' ')?.parse().ok().map(Self::Jobs),
        }
    }
}

/// Listens for new jobs of one class.
pub struct Listener {
    client: Client,
    class: String,
}

impl Listener {
    /// Connects and registers. Jobs that were enqueued before are not announced: look at the queue afterwards.
    ///
    /// # Errors
    /// [`ListenError`]; polling goes on without.
    pub fn connect(database: &Database, class: &str) -> Result<Self, ListenError> {
        let mut client = client::session(database.info(), &database.options())?;
        client.batch_execute(&format!("LISTEN {CHANNEL}"))?;
        Ok(Self { client, class: class.to_owned() })
    }

    /// Waits for news of the class, at most so long.
    ///
    /// # Errors
    /// [`ListenError::Postgres`] when the connection is lost.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<News>, ListenError> {
        let mut notifications = self.client.notifications();
        let mut waiting = notifications.timeout_iter(timeout);
        while let Some(notification) = waiting.next()? {
            if let Some(news) = News::of(notification.payload(), &self.class) {
                return Ok(Some(news));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_of_one_class() {
        for (payload, expected) in [
            ("gpu", Some(News::Jobs(1))),
            ("gpu 250", Some(News::Jobs(250))),
            ("gpu thaw", Some(News::Thawed)),
            ("gpu2", None),
            ("gpu-big 3", None),
            ("default", None),
        ] {
            assert_eq!(News::of(payload, "gpu"), expected, "{payload}");
        }
    }
}
