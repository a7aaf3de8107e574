//! The file of architectures beside a file of curves.

use std::{
    collections::HashMap,
    fs,
    io::{Cursor, ErrorKind},
    path::Path,
};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    fault::{Faults, ImportError},
    request::Unit,
    row::Row,
    table::Table,
};

/// Longest hash that the database finds again, in bytes.
const LONGEST_HASH: usize = 500;

/// What was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// That of the file; else SHA-256 of the genome as written; else one that equals no other.
    pub hash: String,
    /// All columns of the file of architectures.
    pub genome: Value,
    /// The genome in one line.
    pub summary: String,
    /// 0 where not given.
    pub parameters: i64,
    /// 0 where not given.
    pub flops: i64,
}

/// The architectures of these labels, in their order, and the bytes of the file that describes them.
pub(crate) fn architectures(
    path: &Path,
    labels: &[&str],
) -> Result<(Vec<Architecture>, Vec<u8>), ImportError> {
    let beside = path.with_extension("archs.csv");
    let bytes = match fs::read(&beside) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok((labels.iter().map(|label| unnamed(path, label)).collect(), Vec::new()));
        }
        Err(source) => return Err(ImportError::Read { path: beside, source }),
    };
    let described = described(&beside, bytes.clone(), labels)?;
    Ok((labels.iter().map(|label| described[*label].clone()).collect(), bytes))
}

/// What the file of architectures says of each, of these labels at least.
fn described(
    path: &Path,
    bytes: Vec<u8>,
    labels: &[&str],
) -> Result<HashMap<String, Architecture>, ImportError> {
    let mut table = Table::new(path, Cursor::new(bytes), &[])?;
    let columns = Columns::of(&table)?;
    let mut faults = Faults::default();
    let mut described = HashMap::new();
    while let Some(line) = table.next() {
        let line = line?;
        let record = match line.record {
            Ok(record) => record,
            Err(message) => {
                faults.add(line.number, message);
                continue;
            }
        };
        let mut row = Row { line: line.number, record: &record, unit: Unit::Percent, faults: &mut faults };
        let label = row.text(Some(columns.arch)).to_owned();
        let architecture = columns.describe(&table.names, &mut row);
        if described.contains_key(&label) {
            row.fault(format!("architecture {label} is described twice"));
        }
        described.insert(label, architecture);
    }
    for label in labels.iter().filter(|label| !described.contains_key(**label)) {
        faults.add(1, format!("architecture {label} has a curve and no row here"));
    }
    faults.check(path)?;
    Ok(described)
}

/// Where the columns of a file of architectures stand.
struct Columns {
    arch: usize,
    genome: Option<usize>,
    hash: Option<usize>,
    flops: Option<usize>,
    mflops: Option<usize>,
    parameters: Option<usize>,
}

fn unnamed(path: &Path, arch: &str) -> Architecture {
    Architecture {
        hash: hex(&Sha256::digest(format!("{}#{arch}", path.display()))),
        genome: serde_json::json!({ "arch": arch }),
        summary: format!("architecture {arch}"),
        parameters: 0,
        flops: 0,
    }
}

impl Columns {
    fn of(table: &Table) -> Result<Self, ImportError> {
        Ok(Self {
            arch: table.need("arch")?,
            genome: table.column(&["genome", "net"]),
            hash: table.column(&["hash"]),
            flops: table.column(&["flops"]),
            mflops: table.column(&["mflops"]),
            parameters: table.column(&["params", "parameters"]),
        })
    }

    fn describe(&self, names: &[String], row: &mut Row<'_>) -> Architecture {
        let flops = row.optional(self.flops, "flops");
        let flops = flops.or_else(|| row.optional(self.mflops, "mflops").map(|m| m * 1e6));
        let parameters = row.optional(self.parameters, "params");
        let hash = self.hash(row);
        let genome = row.text(self.genome);
        let summary = if genome.is_empty() { words(names, row.record) } else { genome.to_owned() };
        let fields = names.iter().zip(row.record).map(|(name, value)| (name.clone(), Value::from(value)));
        Architecture {
            genome: Value::Object(fields.collect::<Map<_, _>>()),
            hash: hash.unwrap_or_else(|| hex(&Sha256::digest(&summary))),
            summary,
            parameters: parameters.map_or(0, |n| row.count(n, "params")),
            flops: flops.map_or(0, |n| row.count(n, "flops")),
        }
    }

    fn hash(&self, row: &mut Row<'_>) -> Option<String> {
        let hash = Some(row.text(self.hash)).filter(|hash| !hash.is_empty())?.to_owned();
        if hash.len() > LONGEST_HASH {
            row.fault(format!("hash has {} bytes, expected {LONGEST_HASH} at most", hash.len()));
        }
        Some(hash)
    }
}

/// A network without a genome, by what else is said of it.
fn words(names: &[String], record: &csv::StringRecord) -> String {
    let own = ["arch", "flops", "mflops", "params", "parameters", "hash"];
    let said =
        names.iter().zip(record).filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty());
    said.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// In hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
