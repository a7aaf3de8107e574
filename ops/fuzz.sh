#!/usr/bin/env bash
# Fuzzes the readers of what comes in from outside: tests/fuzz/README.md.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ops/fuzz.sh [TARGET...]

  Each target for ten minutes, one after the other; without arguments all of them. Needs cargo-fuzz and a nightly toolchain.
  PENG_FUZZ_SECONDS=60 says for how long. New inputs go to tests/fuzz/corpus, findings to tests/fuzz/artifacts.
TEXT
}

case ${1:-} in -h | --help) usage; exit ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../tests/fuzz"
targets=("$@")
[[ $# -gt 0 ]] || mapfile -t targets < <(ls seeds)
found=0
for target in "${targets[@]}"; do
  [[ -d seeds/$target ]] || { echo "fuzz: no target \`$target\`: expected one of $(ls -x seeds)" >&2; exit 2; }
  mkdir -p "corpus/$target"
  words=(); [[ -f words/$target ]] && words=("-dict=words/$target")
  cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- \
    -max_total_time="${PENG_FUZZ_SECONDS:-600}" -rss_limit_mb=1500 -print_final_stats=1 "${words[@]}" || found=1
done
exit "$found"
