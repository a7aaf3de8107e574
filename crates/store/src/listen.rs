//! Hearing of new jobs at once, on a connection of its own. Polling finds them too, a moment later: a listener that
//! cannot connect (PgBouncer in transaction mode passes no notifications on) costs nothing but that moment.

use std::time::Duration;

use postgres::{Client, fallible_iterator::FallibleIterator as _};

use crate::{
    Database,
    client::{self, ListenError},
    search::CHANNEL,
};

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

    /// Waits for a new job of the class, at most so long; whether there was one.
    ///
    /// # Errors
    /// [`ListenError::Postgres`] when the connection is lost.
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, ListenError> {
        let mut notifications = self.client.notifications();
        let mut waiting = notifications.timeout_iter(timeout);
        while let Some(notification) = waiting.next()? {
            if notification.payload() == self.class {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
