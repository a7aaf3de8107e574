#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds everything, starts a private Postgres for the tests and stops it.
set -euo pipefail

say() { printf 'test: %s\n' "$*" >&2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
say 'this will, where it is missing: install PostgreSQL, build tools, PgBouncer, iproute2, Chromium and spin (apt), fetch libtorch into'
say 'third_party/ and Fashion-MNIST into the data directory, build into target/; the tests start a private Postgres,'
say 'stopped at the end. With --without-test-tools PgBouncer, iproute2, Chromium and spin stay away and their tests are skipped'
ops/setup.sh --with-test-tools "$@"
if command -v spin >/dev/null; then ops/check-model.sh; else say 'spin is not installed: the model of the queue is skipped'; fi
ops/data.sh fashion-mnist

if ! cargo nextest --version >/dev/null 2>&1; then
  say 'cargo-nextest is missing: building it from crates.io into the cargo home'
  cargo install --locked cargo-nextest
fi

# The oldest Python that a training may use, where there is one. A shim of pyenv is on the PATH without one behind it.
oldest_python_tests() {
  local found environment=$root/target/python3.9
  for found in python3.9 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.9.*/bin/python3.9 ''; do
    "$found" -c 'import venv' >/dev/null 2>&1 && break
  done
  [ -n "$found" ] || { say 'no Python 3.9 here: the Python module is tested with the newer one alone'; return; }
  [ -x "$environment/bin/python" ] || "$found" -m venv "$environment"
  "$environment/bin/python" -m pip install -q --disable-pip-version-check pytest jsonschema ./workers/exec/python
  (cd workers/exec/python && "$environment/bin/python" -m pytest -q -p no:cacheprovider -rs)
}

# The Python packages, in an environment of their own; PyTorch's example is skipped where that is not installed.
python_tests() {
  local environment=$root/target/python
  [ -x "$environment/bin/python" ] || python3 -m venv "$environment"
  "$environment/bin/python" -m pip install -q --disable-pip-version-check \
    pytest jsonschema numpy scipy scikit-learn optuna maturin ./workers/exec/python
  rm -rf target/wheels
  "$environment/bin/python" -m maturin build -q --locked -m crates/predictor-python/Cargo.toml -o target/wheels
  "$environment/bin/python" -m pip install -q --disable-pip-version-check --force-reinstall --no-deps target/wheels/*.whl
  (cd workers/exec/python && "$environment/bin/python" -m pytest -q -p no:cacheprovider -rs)
  oldest_python_tests
  (cd crates/predictor-python && "$environment/bin/python" -m pytest -q -p no:cacheprovider -rs)
}

cargo build --workspace --locked
# The server of the tests, see crates/testing/src/database.rs.
export PENG_TEST_HOME=${PENG_TEST_HOME:-${TMPDIR:-/tmp}/peng-test-$(id -u)}
trap 'PENG_HOME=$PENG_TEST_HOME target/debug/peng db down >&2' EXIT
cargo test --workspace --locked --doc --quiet
python_tests
cargo nextest run --workspace --locked
