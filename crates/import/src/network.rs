//! The file of architectures beside a file of curves.

use std::{collections::HashMap, path::Path};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{
    fault::{Faults, ImportError},
    request::Unit,
    sheet::{Row, Sheet, read},
};

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
    if !beside.exists() {
        return Ok((labels.iter().map(|label| unnamed(path, label)).collect(), Vec::new()));
    }
    let sheet = Sheet::read(&beside)?;
    let arch = sheet.need("arch")?;
    let mut faults = Faults::default();
    let mut described: HashMap<&str, Architecture> = HashMap::new();
    for (line, record) in &sheet.rows {
        let label = record.get(arch).unwrap_or_default();
        if described.insert(label, describe(&sheet, *line, record, &mut faults)).is_some() {
            faults.add(*line, format!("architecture {label} is described twice"));
        }
    }
    for label in labels.iter().filter(|label| !described.contains_key(**label)) {
        faults.add(1, format!("architecture {label} has a curve and no row here"));
    }
    faults.check(&beside)?;
    Ok((labels.iter().map(|label| described[label].clone()).collect(), read(&beside)?))
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

fn describe(sheet: &Sheet, line: u64, record: &csv::StringRecord, faults: &mut Faults) -> Architecture {
    let mut row = Row { line, record, unit: Unit::Percent, faults };
    let (flops, mflops) = (sheet.column(&["flops"]), sheet.column(&["mflops"]));
    let flops = row.optional(flops, "flops").or_else(|| row.optional(mflops, "mflops").map(|m| m * 1e6));
    let parameters = row.optional(sheet.column(&["params", "parameters"]), "params");
    let own = ["arch", "flops", "mflops", "params", "parameters", "hash"];
    let words: Vec<String> = sheet
        .names
        .iter()
        .zip(record.iter())
        .filter(|(name, value)| !own.contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let word =
        |names: &[&str]| sheet.column(names).and_then(|at| record.get(at)).filter(|word| !word.is_empty());
    let (genome, hash) = (word(&["genome", "net"]), word(&["hash"]));
    let summary = genome.map_or_else(|| words.join(" "), ToOwned::to_owned);
    let fields =
        sheet.names.iter().zip(record.iter()).map(|(name, value)| (name.clone(), Value::from(value)));
    Architecture {
        hash: hash.map_or_else(|| hex(&Sha256::digest(&summary)), ToOwned::to_owned),
        genome: Value::Object(fields.collect::<Map<_, _>>()),
        summary,
        parameters: parameters.unwrap_or(0.0).round().max(0.0) as i64,
        flops: flops.unwrap_or(0.0).round().max(0.0) as i64,
    }
}

/// In hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
