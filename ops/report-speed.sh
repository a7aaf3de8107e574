#!/usr/bin/env bash
# Times every report over JOBS made-up jobs of 20 observations each, all trained to the end in mode observe, which is the
# most that a report can have to rank, each claimed once by one of 64 workers; and what memory the command takes. On a
# private server that is removed afterwards.
#   ops/report-speed.sh [JOBS=100000] [PENG=target/release/peng]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jobs=${1:-100000} peng=$(realpath "${2:-target/release/peng}")
unset DATABASE_URL
PENG_HOME=$(mktemp -d "${TMPDIR:-/tmp}/peng-speed-XXXXXX")
export PENG_HOME
chmod 755 "$PENG_HOME"
trap '"$peng" db down >&2 || true; rm -rf "$PENG_HOME"' EXIT
"$peng" db up >&2
psql=$(command -v psql || find /usr/lib/postgresql -name psql | sort -V | tail -n 1)
sql() { "$psql" -q -X -v ON_ERROR_STOP=1 -h "$PENG_HOME/run" -U peng peng; }

made_up=crates/report/tests/made_up
for name in one two; do
  # Without the triggers of foreign keys, one call a row.
  { echo 'BEGIN; SET LOCAL session_replication_role = replica;'; sed "s/\$1/'$name'/g; s/\$2/$jobs/g" "$made_up/jobs.sql"; echo ';'
    # An engine that judges each job by its own curve: no search of this size is simulated.
    echo "UPDATE search SET engine = 'penguin-v4' WHERE name = '$name';"
    echo "UPDATE job SET state = 'completed', mode = 'observe' WHERE search_id = (SELECT id FROM search WHERE name = '$name');"
    cat "$made_up/curves.sql"; echo 'COMMIT;'; } | sql
done
sql <<'SQL'
INSERT INTO worker (id, host, pid, class, device, version)
SELECT lpad(to_hex(i), 32, '0')::uuid, 'host-' || i, i, 'default', 'cuda:0', '0.1.0' FROM generate_series(64, 127) i;
BEGIN;
SET LOCAL session_replication_role = replica;
INSERT INTO attempt (job_id, fence, worker_id, started_at, first_step, ended_at, "end")
SELECT id, 1, lpad(to_hex(64 + id % 64), 32, '0')::uuid, now() - interval '9 min', 1, now() - interval '6 min', 'finished'
FROM job
ON CONFLICT DO NOTHING;
COMMIT;
VACUUM ANALYZE;
SQL
echo 'SELECT count(*) AS observations FROM observation;' | sql

# The best of three runs, warm: seconds of the whole command, and its largest resident memory.
timed() {
  python3 - "$@" <<'PYTHON'
import os, subprocess, sys, time

best, memory = float("inf"), 0
for _ in range(3):
    start = time.perf_counter()
    child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"report-speed: {' '.join(sys.argv[1:])} failed")
    best, memory = min(best, time.perf_counter() - start), max(memory, usage.ru_maxrss)
print(f"{best:6.2f} s {memory / 1024:6.0f} MiB  {' '.join(sys.argv[2:])}")
PYTHON
}
for report in summary savings ranking calibration pareto workers; do timed "$peng" report "$report" one; done
timed "$peng" report compare one two
timed "$peng" report summary one --output html
