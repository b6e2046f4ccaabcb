#!/usr/bin/env bash
# Makes what is handed out: a source archive, a .tar.gz that runs from any folder on x86-64 Linux, a .deb, and their checksums.
# They are built from the committed tree, in a bare Debian that is as old as can be had, so that they run on newer ones.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/bare_root.sh
. scripts/setup.sh

usage() {
    cat <<'END'
usage: scripts/package.sh [--out FOLDER] [--suite NAME] [--cuda FOLDER|none] [--here]
Writes into FOLDER [dist]: perplex-VERSION.tar.gz (source), perplex-VERSION-MACHINE-linux.tar.gz, perplex_VERSION_MACHINE.deb and
SHA256SUMS, of the commit that is checked out. Needs root and debootstrap; --here builds on this system instead.

  --suite NAME   the Debian to build in [bullseye, else the oldest that the mirror has]
  --cuda FOLDER  a CUDA toolkit of this machine for the CUDA engine [that of nvcc in PATH]; none: without it
  --here         in this system, without a bare root: what comes out runs on systems that are as new
PERPLEX_MIRROR names a mirror of Debian [that of this machine's apt]; PERPLEX_DEBS a folder that keeps its packages.
PERPLEX_GLIBC: no symbol may be newer than that [2.31, where it is built in bullseye; else that of the system].
DEBFULLNAME and DEBEMAIL are who is responsible for the .deb [git's user.name and user.email].
END
}

die() { echo "package.sh: $*" >&2; exit "${2:-2}"; }

out=dist suite='' here=0 cuda=auto
while [ $# -gt 0 ]; do
    case "$1" in
        --out) out=${2:?--out needs a folder}; shift ;;
        --suite) suite=${2:?--suite needs a name}; shift ;;
        --cuda) cuda=${2:?--cuda needs a folder, or none}; shift ;;
        --here) here=1 ;;
        --help | -h) usage; exit 0 ;;
        *) die "$1: no such flag; --help lists them" ;;
    esac
    shift
done

version=$(sed -nE 's/^#define PERPLEX_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' include/perplex/version.h | paste -sd .)
git rev-parse --verify -q HEAD >/dev/null || die "not a git checkout: packages are made of a commit"
[ -z "$(git status --porcelain)" ] || echo "package.sh: what is not committed is left out" >&2
if [ "$cuda" = auto ]; then
    cuda=none
    nvcc=$(command -v nvcc || true)
    [ -z "$nvcc" ] || cuda=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
fi
[ "$cuda" = none ] || [ -x "$cuda/bin/nvcc" ] || die "--cuda $cuda: no bin/nvcc in it"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The same archive whenever it is made of the same commit.
archive=perplex-$version.tar.gz
git archive --prefix="perplex-$version/" HEAD | gzip -9n >"$out/$archive"

# pick_suite: the oldest Debian that a mirror has.
pick_suite() {
    local name
    for name in bullseye bookworm trixie; do
        if px_mirror_of $name >/dev/null; then echo $name; return; fi
    done
    die "no mirror of this machine has Debian; name one in PERPLEX_MIRROR, or use --here"
}

build_environment() {
    echo "DEBFULLNAME=${DEBFULLNAME:-$(git config user.name || git log -1 --format=%an)}"
    echo "DEBEMAIL=${DEBEMAIL:-$(git config user.email || git log -1 --format=%ae)}"
    echo "SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)"
}

# Everything happens in scripts/package_build.sh of the archive, in a folder that holds it.
mkdir "$work/build"
tar -xzf "$out/$archive" -C "$work/build"
mapfile -t environment < <(build_environment)
if [ $here = 1 ]; then
    env "${environment[@]}" PERPLEX_GLIBC="${PERPLEX_GLIBC:-any}" PX_CUDA="$cuda" \
        bash "$work/build/perplex-$version/scripts/package_build.sh" "$work/build/out"
    cp "$work/build/out"/* "$out"
else
    why=$(px_roots_possible)
    [ -z "$why" ] || die "$why; --here builds in this system"
    [ -n "$suite" ] || suite=$(pick_suite)
    if [ "$suite" = bullseye ]; then glibc=2.31; else
        glibc=any
        echo "package.sh: built in $suite: what comes out needs a C library as new as that one's" >&2
    fi
    echo "== a bare $suite"
    px_make_root "$suite" "$work/root" >"$work/log" || { tail -n 20 "$work/log" >&2; die "the bare root could not be made" 1; }
    # shellcheck disable=SC2046 # several packages
    px_root_install "$work/root" ninja-build dpkg-dev file $(px_called 3 cmake cc c++ cjson utf8proc xxhash zlib zstd protobuf-c isa-l ncurses lapack doxygen) >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; die "the bare root lacks packages" 1; }
    bind="$work/build:/build"
    [ "$cuda" = none ] || bind="$bind $cuda:/usr/local/cuda" cuda=/usr/local/cuda
    PX_BIND=$bind px_in_root "$work/root" env "${environment[@]}" PERPLEX_GLIBC="${PERPLEX_GLIBC:-$glibc}" PX_CUDA="$cuda" \
        bash "/build/perplex-$version/scripts/package_build.sh" /build/out
    cp "$work/build/out"/* "$out"
fi
cd "$out"
shopt -s nullglob # no .deb where there is no dpkg
sha256sum "$archive" "perplex-$version-"*.tar.gz "perplex_${version}_"*.deb >SHA256SUMS
echo "== $out"
cat SHA256SUMS
