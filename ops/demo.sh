#!/usr/bin/env bash
# From an empty machine to a report on a real search: installs what is missing, builds, searches, reports.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ops/demo.sh [--yes]

  --yes  install what is missing without asking
TEXT
}

say() { printf 'demo: %s\n' "$*" >&2; }

setup_flags=()
for argument in "$@"; do
  case $argument in
    --yes) setup_flags+=(--yes) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; say "unknown argument \`$argument\`"; exit 2 ;;
  esac
done
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
bin=$root/target/release
out=$root/target/demo

say 'this will, where it is missing: install PostgreSQL and build tools (apt), fetch libtorch into third_party/ and'
say 'Fashion-MNIST into the data directory, build into target/; then start a private Postgres and two workers'
ops/setup.sh "${setup_flags[@]}"
ops/data.sh fashion-mnist
say 'building release binaries (several minutes the first time)'
cargo build --release --locked --quiet -p peng-cli -p peng-worker

workers=()
# The workers are ours to end; they release their jobs when asked to.
leave() {
  for pid in "${workers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${workers[@]}"; do wait "$pid" 2>/dev/null || true; done
}
trap leave EXIT

[ -n "${DATABASE_URL:-}" ] || "$bin/peng" db up >&2
"$bin/peng" db migrate >&2

number=1
while "$bin/peng" search show "demo-$number" >/dev/null 2>&1; do number=$((number + 1)); done
name=demo-$number
"$bin/peng" search submit ops/demo.toml --name "$name" >&2

mkdir -p "$out"
for worker in 1 2; do
  "$bin/peng-worker" --once --lease-ttl 15 >"$out/$name-worker-$worker.log" 2>&1 &
  workers+=("$!")
  say "worker $worker: process $!, log $out/$name-worker-$worker.log"
done

"$bin/peng" search watch "$name" || [ $? = 3 ]
leave
workers=()

"$bin/peng" report summary "$name"
"$bin/peng" report summary "$name" --output html >"$out/$name.html"
say "HTML report: $out/$name.html"
if [ -z "${DATABASE_URL:-}" ]; then
  say "still running: the private Postgres ($("$bin/peng" db status | sed -n 's/^private server *//p')); stop it with: $bin/peng db down"
fi
