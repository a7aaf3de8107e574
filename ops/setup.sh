#!/usr/bin/env bash
# Installs what is missing to build, test and run peng: Debian or Ubuntu packages, and libtorch into third_party/.
# Says beforehand what, how large and where. Run again, it finds all in place and ends in milliseconds.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ops/setup.sh [--yes] [--without-libtorch] [--without-postgres] [--with-test-tools]

  --yes               install without asking (also where CI is set)
  --without-libtorch  for hosts that build the command line, but no torch worker
  --without-postgres  for hosts that use a database elsewhere (DATABASE_URL)
  --with-test-tools   also what only tests use: PgBouncer, iproute2, Chromium and spin (also where CI is set);
                      --without-test-tools after it takes it back, and those tests are skipped
TEXT
}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }
has() { command -v "$1" >/dev/null 2>&1; }

yes=${CI:+1} libtorch=1 postgres=1 test_tools=${CI:+1}
for argument in "$@"; do
  case $argument in
    --yes) yes=1 ;;
    --without-libtorch) libtorch='' ;;
    --without-postgres) postgres='' ;;
    --with-test-tools) test_tools=1 ;;
    --without-test-tools) test_tools='' ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument \`$argument\`" 2 ;;
  esac
done
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scratch=''
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT

# --- What is missing -------------------------------------------------------------------------------------------

torch_version=2.13.0+cu130   # what crate torch-sys 0.26 expects
torch_tree=$root/third_party/libtorch

# The tree counts only with its version written, which is the last thing before the rename.
needs_libtorch() {
  [ -n "$libtorch" ] && [ -z "${LIBTORCH:-}" ] && [ "$(cat "$torch_tree/build-version" 2>/dev/null)" != "$torch_version" ]
}

# Server binaries of PostgreSQL 15 or newer: on PATH, by pg_config, or in Debian's versioned directories.
has_postgres() {
  local directory version
  for directory in "$(dirname "$(command -v postgres || echo /none/postgres)")" \
    "$(pg_config --bindir 2>/dev/null || echo /none)" /usr/lib/postgresql/*/bin; do
    if ! [ -x "$directory/postgres" ] || ! [ -x "$directory/initdb" ]; then continue; fi
    version=$("$directory/postgres" --version | grep -oE '[0-9]+' | head -n 1)
    [ "$version" -lt 15 ] || return 0
  done
  return 1
}

# pip of whatever python3 there is; where it has none, the venv module brings one.
has_pip() { python3 -m pip --version >/dev/null 2>&1; }
has_venv() { python3 -c 'import ensurepip' >/dev/null 2>&1; }

missing_packages() {
  has cc || echo gcc
  has c++ || echo g++
  has make || echo make
  perl -MFindBin -MIPC::Cmd -e 1 2>/dev/null || echo perl
  [ -e /usr/include/stdlib.h ] || echo libc6-dev
  [ -z "$postgres" ] || has_postgres || echo postgresql
  [ -z "$test_tools" ] || [ -z "$postgres" ] || [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
  [ -z "$test_tools" ] || has ip || [ -x /usr/sbin/ip ] || echo iproute2
  [ -z "$test_tools" ] || has chromium || has chromium-browser || echo chromium
  [ -z "$test_tools" ] || has spin || echo spin
  if needs_libtorch; then
    has python3 || echo python3
    has_pip || has_venv || echo python3-venv
  fi
}

# --- Packages --------------------------------------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Bytes to fetch for the packages that apt would install, as far as its lists are there.
download_size() {
  apt-get --print-uris -qq --no-install-recommends install "$@" 2>/dev/null |
    awk '{ bytes += $3 } END { if (bytes) printf "%.0f MB to fetch", bytes / 1e6; else print "size known after apt-get update" }'
}

confirm() {
  [ -z "$yes" ] || return 0
  [ -t 0 ] || fail "nobody to ask: run \`ops/setup.sh --yes\` to install these packages" 2
  local answer
  read -rp 'setup: install them? [y/N] ' answer
  case $answer in y | Y | yes) ;; *) fail 'nothing was installed' ;; esac
}

install_packages() {
  say "missing: $*"
  if ! has apt-get; then
    fail 'this is not Debian or Ubuntu: install the above with the package manager of this system, then run me again'
  fi
  say "system packages by apt-get, into /usr: $* ($(download_size "$@"))"
  [[ " $* " != *' postgresql '* ]] ||
    say 'PostgreSQL comes without a database cluster and without a running server: peng starts a private one'
  [ "$(id -u)" = 0 ] || has sudo || fail "packages need root: run \`apt-get install $*\` as root, then me again"
  confirm
  as_root apt-get update -qq || say 'apt-get update failed; trying with the lists that are here'
  [[ " $* " != *' postgresql '* ]] || require_postgres_15
  [[ " $* " != *' chromium '* ]] || require_chromium
  # Debian would create and start a cluster `main` on port 5432. The drop-in is there during the installation only.
  # shellcheck disable=SC2016  # expanded by the inner shell
  as_root env DEBIAN_FRONTEND=noninteractive sh -ec '
    drop_in=/etc/postgresql-common/createcluster.d/peng.conf
    mkdir -p "${drop_in%/*}"
    trap "rm -f $drop_in" EXIT
    echo "create_main_cluster = false" >"$drop_in"
    apt-get install -y -qq -o Dpkg::Use-Pty=0 --no-install-recommends "$@" >&2' sh "$@"
}

require_postgres_15() {
  local candidate
  candidate=$(apt-cache policy postgresql | awk '/Candidate/ { sub(/\+.*/, "", $2); print $2 }')
  [ "${candidate%%.*}" -ge 15 ] 2>/dev/null ||
    fail "this system offers PostgreSQL ${candidate:-none}, peng needs 15 or newer: install one from the PostgreSQL project's packages, or use --without-postgres and DATABASE_URL"
}

# Ubuntu offers Chromium as a snap only.
require_chromium() {
  local policy
  policy=$(apt-cache policy chromium)
  # shellcheck disable=SC2016  # names, not commands
  [[ $policy =~ Candidate:\ [0-9] ]] ||
    fail 'this system has no package `chromium`: install it another way (Ubuntu: `snap install chromium`), or use --without-test-tools'
}

# --- libtorch --------------------------------------------------------------------------------------------------

# One line per wheel. The hashes pin what is fetched, whatever the Python that fetches it.
pinned_wheels() {
  case $1 in
    Linux-x86_64) cat <<'PINS' ;;
torch==2.13.0 --hash=sha256:60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7
nvidia-cuda-runtime==13.0.96 --hash=sha256:7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
nvidia-cuda-cupti==13.0.85 --hash=sha256:4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
PINS
    Linux-aarch64) cat <<'PINS' ;;
torch==2.13.0 --hash=sha256:092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c
nvidia-cuda-runtime==13.0.96 --hash=sha256:ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55
nvidia-cuda-cupti==13.0.85 --hash=sha256:796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151
PINS
    *) return 1 ;;
  esac
}

wheel_python() {
  if has_pip; then echo python3; return; fi
  python3 -m venv "$scratch/venv" && echo "$scratch/venv/bin/python"
}

install_libtorch() {
  local machine python
  machine=$(uname -m)
  mkdir -p "$root/third_party"
  scratch=$(mktemp -d "$root/third_party/.setup-XXXXXX")
  pinned_wheels "$(uname -s)-$machine" >"$scratch/wheels.txt" ||
    fail "no libtorch is pinned for $(uname -s) $machine: export LIBTORCH=(a libtorch $torch_version), or use --without-libtorch"
  say "libtorch $torch_version from PyPI (torch, nvidia-cuda-runtime, nvidia-cuda-cupti), 540 MB to fetch, into $torch_tree (510 MB)"
  python=$(wheel_python)
  "$python" -m pip download -q --disable-pip-version-check --no-deps --no-cache-dir --require-hashes \
    --only-binary=:all: --platform "manylinux_2_28_$machine" --platform "manylinux_2_25_$machine" \
    --platform "manylinux2014_$machine" --python-version 3.11 --implementation cp --abi cp311 --abi none \
    -d "$scratch/wheels" -r "$scratch/wheels.txt"
  "$python" - "$scratch" "$torch_version" <<'PYTHON'
import pathlib, shutil, sys, zipfile

scratch, version = pathlib.Path(sys.argv[1]), sys.argv[2]
tree = scratch / "libtorch"
libraries = {"libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
arm_libraries = ("libarm_compute", "libnvpl_", "libgfortran")
for wheel in (scratch / "wheels").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            path = pathlib.PurePosixPath(name)
            wanted = path.name in libraries or path.name.startswith(arm_libraries)
            if wanted and path.parts[-2] == "lib":
                target = tree / "lib" / path.name
            elif path.parts[:2] == ("torch", "include") and not name.endswith("/"):
                target = tree.joinpath(*path.parts[1:])
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
found = {path.name for path in (tree / "lib").iterdir()}
if missing := libraries - found:
    sys.exit(f"setup: the wheels lack {', '.join(sorted(missing))}")
(tree / "lib" / "libtorch.so").symlink_to("libtorch_cpu.so")
(tree / "build-version").write_text(version + "\n")
PYTHON
  if needs_libtorch; then # another run may have been faster
    rm -rf "$torch_tree"
    mv -T "$scratch/libtorch" "$torch_tree"
  fi
}

# --- Main ------------------------------------------------------------------------------------------------------

names=$(missing_packages)
mapfile -t packages <<<"$names"
[ -z "$names" ] || install_packages "${packages[@]}"
if needs_libtorch; then install_libtorch; fi
has cargo || say 'no Rust toolchain on PATH: building needs Rust 1.88 or newer'
[ -z "${LIBTORCH:-}" ] || [ -z "$libtorch" ] || say "libtorch: $LIBTORCH, as exported"
say 'everything is in place'
