//! The recorded searches that lie beside the repository on some machines.

use std::path::PathBuf;

/// Column `columns` of the architectures of a recorded search, or `None` with a printed sentence where the folder is
/// missing.
pub fn architectures<const N: usize>(name: &str, columns: [&str; N]) -> Option<Vec<[String; N]>> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/curves"));
    let file = folder.join(format!("{name}.archs.csv"));
    if !file.exists() {
        println!("skipped: {} does not exist", file.display());
        return None;
    }
    let mut reader = csv::Reader::from_path(&file).expect("the file can be read");
    let headers = reader.headers().expect("the file has headers").clone();
    let places = columns.map(|c| headers.iter().position(|h| h == c).expect("the file has the column"));
    let rows = reader.records().map(|row| {
        let row = row.expect("the file is CSV");
        places.map(|place| row[place].to_owned())
    });
    Some(rows.collect())
}
