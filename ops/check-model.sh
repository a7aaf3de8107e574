#!/usr/bin/env bash
# Checks the model of the queue, docs/model/queue.pml: the protocol holds in every run, and each mutant of it breaks.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ops/check-model.sh [MUTANT [PROPERTY]]

  Without arguments checks everything, a line each; ends with 1 where something is not as it must be.
  MUTANT prints the shortest run that breaks it, such as NO_WORKER_ID; PROPERTY looks at one alone, such as RESULTS.
  PENG_MODEL_FAULTS=3 allows three faults instead of two: a few minutes.
TEXT
}

say() { printf 'model: %s\n' "$*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
faults=${PENG_MODEL_FAULTS:-2}
[[ $faults =~ ^[1-9]$ ]] || fail "PENG_MODEL_FAULTS is \`$faults\`, and may be 1 to 9" 2
for tool in spin cc; do
  command -v "$tool" >/dev/null || fail "\`$tool\` is missing: run ops/setup.sh --with-test-tools"
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$root/docs/model/queue.pml" "$scratch"
cd "$scratch" # spin writes where it is

optimise=-O2 # -O0 where compiling takes longer than checking

# Makes the checker ./pan. $1: options of the model, $2: options of the checker.
# -o3: statements are not merged, so that the report names each that is never reached.
# shellcheck disable=SC2086  # lists of options
build() {
  rm -f pan queue.pml.trail
  if ! { spin -o3 -a $1 queue.pml && cc -w "$optimise" -DMEMLIM=8192 $2 -o pan pan.c; } >build.log 2>&1; then
    cat build.log >&2
    fail "cannot build the model with $1"
  fi
}

# Looks at every state reachable with options $1 of the model, and leaves the checker's report in ./report.
look_for_states() {
  build "$1" '-DSAFETY -DNOCLAIM -DCOLLAPSE'
  ./pan -m100000 -w24 >report 2>&1 || true
}

# The same in order of distance, so that the run found is a shortest.
look_for_shortest() {
  build "$1" '-DSAFETY -DNOCLAIM -DBFS'
  ./pan -w20 >report 2>&1 || true
}

# Looks for a run in which the job never ends, though every process that can go on does so in the end.
look_for_endless() {
  build "$1" '-DNFAIR=3 -DCOLLAPSE'
  ./pan -a -f -m100000 -w24 >report 2>&1 || true
}

wrong=0
verdict() {
  if "$1"; then say "$2"; else
    say "WRONG, expected: $2"
    cat report >&2
    wrong=1
  fi
}

# A search that was cut short proves nothing.
holds() { grep -q 'errors: 0$' report && ! grep -qE 'not completed|too small|out of memory|error:' report; }
breaks() { grep -q '^pan:1: assertion violated' report; }
never_ends() { grep -q '^pan:1: acceptance cycle' report; }
# The one line that is never reached: the end of the process that goes on for ever.
reaches_all() { holds && [ "$(unreached | grep -c ', state ')" = 1 ]; }
unreached() { sed -n '/^unreached in proctype/,/^unreached in claim/p' report; }

states() { sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p' report; }

protocol_holds() {
  look_for_states "-DFAULTS=$faults"
  verdict reaches_all "the protocol holds, every line of the model reached (faults $faults, fail-overs 1; $(states))"
  look_for_endless "-DFAULTS=$((faults - 1))"
  verdict holds "every job ends (faults $((faults - 1)), fail-overs 1; $(states))"
  look_for_endless "-DFAULTS=$faults -DFAILOVERS=0"
  verdict holds "every job ends (faults $faults, fail-overs 0; $(states))"
}

mutants_break() {
  local mutant property optimise=-O0
  while read -r mutant property; do
    look_for_shortest "-DMUTANT=$mutant -DCHECK=$property"
    verdict breaks "$mutant breaks $property"
  done <<'MUTANTS'
NO_FENCE WRITES
NO_FENCE RESULTS
NO_WORKER_ID WRITES
NO_FENCE_NUMBER WRITES
SHARED_WORKER_ID WRITES
NO_CONTIGUITY CURVES
NO_LAST_STEP CURVES
TWO_COMMITS RESULTS
LEASE_ALONE STATES
CANCEL_FORGOTTEN CANCELS
MUTANTS
  for mutant in TWO_COMMITS LEASE_ALONE NO_REAPER; do
    look_for_endless "-DMUTANT=$mutant -DCHECK=ENDS -DFAULTS=1"
    verdict never_ends "$mutant breaks ENDS"
  done
  look_for_states '-DMUTANT=NO_WORKER_ID -DFAILOVERS=0'
  verdict holds "NO_WORKER_ID holds without a fail-over (faults 2, fail-overs 0; $(states))"
}

# The run, a line each step, and the line of the model that it breaks.
show() {
  local optimise=-O0 line
  look_for_shortest "-DMUTANT=$1 -DCHECK=${2:-ALL}"
  breaks || fail "no finite run breaks a property with mutant \`$1\`"
  spin -t -T "-DMUTANT=$1" "-DCHECK=${2:-ALL}" queue.pml >run
  sed '/^ltl/d; /^spin: warning/d; /^spin:/,$d' run
  line=$(sed -nE 's/^spin: queue.pml:([0-9]+), Error: assertion violated/\1/p' run)
  printf '%s\n' "which breaks, at line $line: $(sed -n "${line}s/^ *//p" queue.pml)"
}

case ${1:-} in
  '')
    protocol_holds
    mutants_break
    exit "$wrong"
    ;;
  -h | --help) usage ;;
  -*) usage >&2; fail "unknown argument \`$1\`" 2 ;;
  *) show "$@" ;;
esac
