//! The recorded curves of `../shared/curves`, where that folder exists.

use std::path::PathBuf;

use diesel::PgConnection;
use import::{Request, Unit, import};

/// Imports recorded sets under their own names; false, with a printed sentence, where the folder is missing.
pub fn import_sets(conn: &mut PgConnection, names: &[&str]) -> bool {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/curves");
    for name in names {
        let path = folder.join(format!("{name}.csv"));
        if !path.exists() {
            println!("skipped: {} is not here", path.display());
            return false;
        }
        let request = Request { search: name, unit: Unit::Percent, target: None, engine: None };
        import(conn, &path, &request).unwrap();
    }
    true
}
