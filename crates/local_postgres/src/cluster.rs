//! The data directory: made under another name, and renamed when it is whole.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::Stdio,
};

use crate::{account::Account, binaries::Binaries, error::ServerError};

/// How the names of data directories in the making begin.
const NEW: &str = "postgres.new-";
/// First of our lines in `postgresql.conf`.
const MARK: &str = "# Written by peng";

/// Makes the data directory `data` in `home`, with its settings and an empty database `peng`. Whoever holds the lock of the
/// home may call it.
pub(crate) fn make(
    home: &Path,
    data: &Path,
    settings: &str,
    durable: bool,
    binaries: &Binaries,
    account: &Account,
) -> Result<(), ServerError> {
    // The initdb of an `up` that was killed may still write under its own name.
    let new = home.join(format!("{NEW}{}", uuid::Uuid::new_v4().simple()));
    account.private_dir(&new)?;
    let made = fill(&new, settings, durable, binaries, account)
        .and_then(|()| fs::rename(&new, data).map_err(ServerError::io(data)))
        .and_then(|()| fs::File::open(home).and_then(|home| home.sync_all()).map_err(ServerError::io(home)));
    if made.is_err() {
        sweep(home);
    }
    made
}

/// Removes what killed ones left. What does not go now, as while its initdb still writes, goes at the next start. Whoever
/// holds the lock of the home may call it.
pub(crate) fn sweep(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn fill(
    new: &Path,
    settings: &str,
    durable: bool,
    binaries: &Binaries,
    account: &Account,
) -> Result<(), ServerError> {
    let mut initdb = binaries.program("initdb");
    // The socket stands in a directory that only its owner can enter, so `trust` admits nobody else.
    initdb.args(["--username=peng", "--auth=trust", "--encoding=UTF8", "--no-locale", "--data-checksums"]);
    if !durable {
        initdb.arg("--no-sync");
    }
    account.run(initdb.arg("-D").arg(new))?;
    let settings = format!("\n{MARK}: a private server, on a socket only.\n{settings}");
    append(&new.join("postgresql.conf"), &settings, false)?;
    append(&new.join("pg_hba.conf"), "local all all trust\nlocal replication all trust\n", true)?;
    // Single-user mode makes the database without a server to wait for, and has no exit code for an error.
    let sql = sql_file("CREATE DATABASE peng\n").map_err(ServerError::io(new))?;
    let mut single = binaries.program("postgres");
    let said = account.run(single.arg("--single").arg("-D").arg(new).arg("postgres").stdin(sql))?;
    match said.lines().find(|line| line.contains("ERROR:") || line.contains("FATAL:")) {
        Some(error) => {
            Err(ServerError::Program { program: "postgres --single".to_owned(), output: error.to_owned() })
        }
        None => Ok(()),
    }
}

/// Writes text at the end of a file or in its stead, through to the disk.
fn append(path: &Path, text: &str, instead: bool) -> Result<(), ServerError> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).append(!instead).truncate(instead).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(ServerError::io(path))
}

/// Checks a data directory that is there: what initdb was killed in, before it had another name for that, is not started.
pub(crate) fn check(data: &Path) -> Result<(), ServerError> {
    let conf = fs::read_to_string(data.join("postgresql.conf")).unwrap_or_default();
    if conf.contains(MARK) && data.join("global/pg_control").exists() {
        return Ok(());
    }
    Err(ServerError::NotWhole { dir: data.to_owned() })
}

fn sql_file(sql: &str) -> io::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(sql.as_bytes())?;
    Ok(Stdio::from(reader))
}
