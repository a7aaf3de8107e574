//! One `up` or `down` of a home at a time.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path};

use crate::{account::Account, error::ServerError};

/// Waits until no other process starts or stops the server of a home. The lock ends with the file, so with the process.
pub(crate) fn acquire(home: &Path, account: &Account) -> Result<fs::File, ServerError> {
    let path = home.join("postgres.lock");
    let open = || {
        let mut options = fs::OpenOptions::new();
        let file = options.create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        account.own(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(ServerError::io(&path))
}
