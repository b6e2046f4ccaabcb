#!/usr/bin/env bash
# What scripts/package.sh makes: it installs, runs and is removed in bare roots of Debian 11, 12 and 13, by an ordinary user where that
# is possible.
#     install.sh SOURCE
# PERPLEX_TEST_CUDA names a CUDA toolkit, where the CUDA engine is to be packed too; PERPLEX_TEST_PACKAGES a folder with packages of
# this commit, made before.
SOURCE=$1
. "$(dirname "$0")/lib.sh"
. "$SOURCE/scripts/bare_root.sh"
. "$(dirname "$0")/roots.sh"
need_roots packages_install
git -C "$SOURCE" rev-parse --verify -q HEAD >/dev/null || { echo "SKIP: packages_install: not a git checkout"; exit 77; }
export PERPLEX_DEBS
DIST=$WORK/dist

if [ -n "${PERPLEX_TEST_PACKAGES:-}" ]; then cp -r "$PERPLEX_TEST_PACKAGES" "$DIST"; else
    attempt "$SOURCE/scripts/package.sh" --out "$DIST" --cuda "${PERPLEX_TEST_CUDA:-none}"
    must "packages are made" ended 0 || { cat "$OUT"; finish; }
    grep '^glibc' "$OUT"
fi
VERSION=$(sed -nE 's/^#define PERPLEX_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' "$SOURCE/include/perplex/version.h" | paste -sd .)
ARCHIVE=$DIST/perplex-$VERSION.tar.gz
TARBALL=$DIST/perplex-$VERSION-x86_64-linux.tar.gz
DEB=$DIST/perplex_${VERSION}_amd64.deb
for file in "$ARCHIVE" "$TARBALL" "$DEB"; do must "there is $(basename "$file")" test -s "$file"; done
must "their checksums are right" bash -c 'cd "$1" && sha256sum -c SHA256SUMS && [ "$(wc -l <SHA256SUMS)" = 3 ]' - "$DIST"

# ---- the source archive
git -C "$SOURCE" archive --prefix="perplex-$VERSION/" HEAD | gzip -9n >"$WORK/again.tar.gz"
must "the source archive is the commit's, byte for byte" cmp "$ARCHIVE" "$WORK/again.tar.gz"
must "it knows its commit" bash -c 'tar -xOzf "$1" "perplex-$2/cmake/commit.txt" | grep -qx "$3"' - "$ARCHIVE" "$VERSION" "$(git -C "$SOURCE" rev-parse HEAD)"

# ---- the .tar.gz
mkdir "$WORK/unpacked"
tar -xzf "$TARBALL" -C "$WORK/unpacked"
TREE=$WORK/unpacked/perplex-$VERSION-x86_64-linux
elves() { find "$TREE" -type f -exec sh -c 'head -c 4 "$1" | grep -q ELF' - {} \; -print; }
newest_glibc() { elves | xargs -n 1 objdump -T | grep -oE 'GLIBC_[0-9.]+' | sort -Vu | tail -n 1; }
must "program, library and what they need are inside" test "$(elves | wc -l)" -ge 7
if px_mirror_of bullseye >/dev/null; then
    must "no symbol is newer than GLIBC_2.31 ($(newest_glibc))" test "$(printf 'GLIBC_2.31\n%s\n' "$(newest_glibc)" | sort -V | tail -n 1)" = GLIBC_2.31
fi
must "nothing in it names the folder that it was built in" bash -c '! elves | xargs grep -l -e /build/perplex -e "$WORK"'
MODULE=$TREE/lib/perplex/perplex-cuda.so
if [ -e "$MODULE" ]; then
    others=$(objdump -p "$MODULE" | awk '$1 == "NEEDED" { print $2 }' | grep -vE '^(lib(c|m|dl|rt|pthread)\.so\.[0-9]|ld-linux-x86-64\.so\.2)$' | paste -sd ' ')
    must "beside the C library the CUDA engine needs cuBLAS alone ($others)" test "${others%.so.*}" = libcublas
else echo "SKIP: packages_install: no CUDA engine in the packages (PERPLEX_TEST_CUDA)"; fi
must "each library that went along has its licence" bash -c 'for library in "$1"/lib/perplex/lib*.so*; do :; done; [ "$(ls "$1/share/doc/perplex/licences" | wc -l)" -ge "$(ls "$1"/lib/perplex/lib*.so* | wc -l)" ]' - "$TREE"

# ---- the .deb
mkdir "$WORK/deb"
dpkg-deb -x "$DEB" "$WORK/deb"
dpkg-deb -f "$DEB" Depends | tr ',' '\n' | sed 's/^ *//' >"$OUT"
newest=$(TREE=$WORK/deb/usr newest_glibc)
asked=$(sed -nE 's/^libc6 \(>= ([0-9.]+)\)$/\1/p' "$OUT")
must "it depends on a C library that has what its files ask for ($newest)" test "$(printf '%s\n' "${newest#GLIBC_}" "$asked" | sort -V | tail -n 1)" = "$asked"
for name in libtinfo6 libzstd1 zlib1g; do must "it depends on $name, in a version" grep -q "^$name (>= " "$OUT"; done
must "and on nothing that lies in it" bash -c '! grep -E "cjson|utf8proc|xxhash|protobuf|isal|cublas" "$1"' - "$OUT"
if command -v lintian >/dev/null; then
    attempt lintian --allow-root --fail-on error "$DEB"
    must "lintian finds no error" ended 0
else echo "SKIP: packages_install: no lintian here"; fi

# ---- bare roots
for suite in bullseye bookworm trixie; do
    root_of $suite || continue
    cp "$TARBALL" "$DEB" "$ROOT/tmp"
    as_user sh -c 'mkdir -p "$HOME/some where" && cd "$HOME/some where" && tar -xzf /tmp/perplex-*-x86_64-linux.tar.gz && mv perplex-* perplex && perplex/bin/perplex --version'
    must "$suite: the .tar.gz runs from any folder" grep -qx "perplex $VERSION" "$OUT"
    for part in zlib zstd TensorBoard; do must "$suite: with $part" grep -qE "^$part +yes" "$OUT"; done
    as_user sh -c 'p() { "$HOME/some where/perplex/bin/perplex" "$@"; }; P=p; '"$FIRST_STEPS"
    must "$suite: an ordinary user trains, evaluates and samples with it" ended 0
    here=$(weights)
    if [ -e "$MODULE" ]; then
        as_user sh -c '"$HOME/some where/perplex/bin/perplex" eval --model ~/run --data ~/text.txt --device cuda'
        must "$suite: the CUDA engine says which library it lacks" grep -q 'perplex-cuda.so: cannot be loaded: libcublas' "$OUT"
    fi
    must "$suite: there are weights" test -n "$here"
    weights=${weights:-$here}
    must "$suite: they are those of the other systems, bit for bit" test "$here" = "$weights"
    in_root sh -c 'dpkg -l | sort >/tmp/before; find / -xdev \( -path /home -o -path /tmp -o -path /proc \) -prune -o -print | sort >/tmp/files; dpkg -i /tmp/perplex_*.deb'
    must "$suite: the .deb is installed" ended 0
    in_root sh -c 'ldconfig -p | grep libperplex; gzip -t /usr/share/man/man1/perplex.1.gz'
    must "$suite: libperplex is known to the linker" grep -q 'libperplex.so' "$OUT"
    must "$suite: its manual page is whole" ended 0
    as_user sh -c "P=perplex; $FIRST_STEPS"
    must "$suite: an ordinary user trains, evaluates and samples with it" ended 0
    must "$suite: the same weights, bit for bit" test "$(weights)" = "$weights"
    in_root sh -c 'dpkg --purge perplex && dpkg -l | sort | cmp - /tmp/before'
    must "$suite: the .deb is removed" ended 0
    in_root sh -c 'find / -xdev \( -path /home -o -path /tmp -o -path /proc \) -prune -o -print | sort | diff /tmp/files - | grep -v "/var/cache/ldconfig\|/var/lib/dpkg\|/var/log"'
    must "$suite: nothing of it is left" test "$(grep -c perplex "$OUT")" = 0
    rm -rf "$ROOT"
done
finish
