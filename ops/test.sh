#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds everything, starts a private Postgres for the tests and stops it.
set -euo pipefail

say() { printf 'test: %s\n' "$*" >&2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
say 'this will, where it is missing: install PostgreSQL and build tools (apt), fetch libtorch into third_party/ and'
say 'Fashion-MNIST into the data directory, build into target/; the tests start a private Postgres, stopped at the end'
ops/setup.sh "$@"
ops/data.sh fashion-mnist

if ! cargo nextest --version >/dev/null 2>&1; then
  say 'cargo-nextest is missing: building it from crates.io into the cargo home'
  cargo install --locked cargo-nextest
fi

cargo build --workspace --locked
# The server of the tests, see crates/store/src/testing.rs.
export PENG_TEST_HOME=${PENG_TEST_HOME:-${TMPDIR:-/tmp}/peng-test-$(id -u)}
trap 'PENG_HOME=$PENG_TEST_HOME target/debug/peng db down >&2' EXIT
cargo test --workspace --locked --doc --quiet
cargo nextest run --workspace --locked
