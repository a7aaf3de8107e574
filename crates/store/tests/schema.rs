//! `src/schema.rs` is what the migrations make: this test fails on drift, and writes the file anew with
//! `PENG_UPDATE_SCHEMA=1 cargo nextest run -p peng-store schema`.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write as _;

use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types};
use testing::TestDatabase;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = sql_types::Text)]
    table: String,
    #[diesel(sql_type = sql_types::Text)]
    name: String,
    #[diesel(sql_type = sql_types::Text)]
    r#type: String,
    #[diesel(sql_type = sql_types::Bool)]
    not_null: bool,
    #[diesel(sql_type = sql_types::Text)]
    key: String,
}

#[derive(QueryableByName)]
struct Enum {
    #[diesel(sql_type = sql_types::Text)]
    name: String,
}

#[test]
fn schema_rs_is_what_the_migrations_make() {
    let database = TestDatabase::new();
    let mut conn = database.connect();
    let columns: Vec<Column> = sql_query(include_str!("columns.sql")).load(&mut conn).unwrap();
    let enums: Vec<Enum> =
        sql_query("SELECT typname::text AS name FROM pg_type WHERE typtype = 'e' ORDER BY 1")
            .load(&mut conn)
            .unwrap();
    let expected = render(&columns, &enums);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema.rs");
    if std::env::var_os("PENG_UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        squeeze(&found) == squeeze(&expected),
        "src/schema.rs has drifted: PENG_UPDATE_SCHEMA=1 cargo nextest run -p peng-store schema"
    );
}

/// The formatter may break lines elsewhere.
fn squeeze(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect()
}

fn render(columns: &[Column], enums: &[Enum]) -> String {
    let mut text =
        String::from("//! The tables as diesel sees them. Written by `tests/schema.rs`; do not edit.\n");
    text.push_str("#![expect(missing_docs, reason = \"the migrations comment every column\")]\n#![cfg_attr(not(test), expect(clippy::wildcard_imports, reason = \"as diesel prints it\"))]\n\n");
    text.push_str("/// Enums of Postgres.\npub mod sql_types {\n");
    for (i, Enum { name }) in enums.iter().enumerate() {
        let gap = if i == 0 { "" } else { "\n" };
        let camel = camel(name);
        writeln!(
            text,
            "{gap}    /// `{name}`\n    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]"
        )
        .unwrap();
        writeln!(text, "    #[diesel(postgres_type(name = \"{name}\"))]\n    pub struct {camel};").unwrap();
    }
    text.push_str("}\n");
    for table in columns.chunk_by(|a, b| a.table == b.table) {
        writeln!(text, "\ndiesel::table! {{\n    use diesel::sql_types::*;\n    use super::sql_types::*;\n")
            .unwrap();
        writeln!(text, "    {} ({}) {{", table[0].table, table[0].key).unwrap();
        for column in table {
            let kind = kind(&column.r#type);
            let kind = if column.not_null { kind } else { format!("Nullable<{kind}>") };
            let rename = if column.name == "end" { "end_" } else { &column.name };
            if rename != column.name {
                writeln!(text, "        #[sql_name = \"{}\"]", column.name).unwrap();
            }
            writeln!(text, "        {rename} -> {kind},").unwrap();
        }
        text.push_str("    }\n}\n");
    }
    let tables: Vec<_> = columns.chunk_by(|a, b| a.table == b.table).map(|c| c[0].table.as_str()).collect();
    writeln!(text, "\ndiesel::allow_tables_to_appear_in_same_query!({});", tables.join(", ")).unwrap();
    text
}

fn camel(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn kind(name: &str) -> String {
    match name {
        "bigint" => "BigInt".into(),
        "bigint[]" => "Array<Nullable<BigInt>>".into(),
        "text[]" => "Array<Nullable<Text>>".into(),
        "integer" => "Integer".into(),
        "smallint" => "SmallInt".into(),
        "double precision" => "Double".into(),
        "text" => "Text".into(),
        "boolean" => "Bool".into(),
        "uuid" => "Uuid".into(),
        "jsonb" => "Jsonb".into(),
        "interval" => "Interval".into(),
        "timestamp with time zone" => "Timestamptz".into(),
        other => camel(other),
    }
}
