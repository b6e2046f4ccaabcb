#!/usr/bin/env bash
# The second half of package.sh, in the system that packages are built in: builds the tree that this file lies in, brings along the
# libraries that other systems may lack, checks what they ask of the C library, and packs.
#     package_build.sh OUT
# Environment: PX_CUDA (a toolkit, or none), PERPLEX_GLIBC (no symbol newer than that; any), DEBFULLNAME, DEBEMAIL, SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
build=$PWD/../build
papers=$PWD/../papers # what is said of the packages themselves: share/doc/perplex
mkdir -p "$out" "$papers/licences"
version=$(sed -nE 's/^#define PERPLEX_VERSION_(MAJOR|MINOR|PATCH) ([0-9]+).*/\2/p' include/perplex/version.h | paste -sd .)
flags=(-DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_LIBDIR=lib -DPERPLEX_TESTS=OFF -DPERPLEX_MPI=OFF -DPERPLEX_BUNDLE_DOCS="$papers"
       -DCPACK_PACKAGE_CONTACT="$DEBFULLNAME <$DEBEMAIL>" -DCPACK_OUTPUT_FILE_PREFIX="$out")
if [ "$PX_CUDA" = none ]; then flags+=(-DPERPLEX_CUDA=OFF); else
    export PATH="$PATH:$PX_CUDA/bin"
    flags+=(-DPERPLEX_CUDA=ON)
fi
command -v ninja >/dev/null && flags+=(-G Ninja)

cmake -S . -B "$build" "${flags[@]}" -DPERPLEX_BUNDLE=ALL
cmake --build "$build" --parallel "$(nproc)"

# ---- papers: a changelog and a copyright file as Debian wants them, and the licences of the libraries that go along
{
    printf 'perplex (%s) unstable; urgency=medium\n\n  * See /usr/share/doc/perplex/CHANGELOG.md.\n\n -- %s <%s>  %s\n' "$version" \
        "$DEBFULLNAME" "$DEBEMAIL" "$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$papers/changelog.gz"
{
    cat packaging/copyright
    if command -v dpkg >/dev/null; then
        while read -r library; do
            package=$(dpkg -S "*/$(basename "$(readlink -f "$library")")" | head -n 1 | cut -d : -f 1)
            cp "/usr/share/doc/$package/copyright" "$papers/licences/$package"
        done < <(ldd "$build/perplex" | awk '$3 ~ /^\// { print $3 }' | grep -vE '/lib(c|m|dl|rt|pthread)\.so')
    fi
} >"$papers/copyright"

# ---- what they ask of the C library
# elves_of STAGE: the files of an installation that a loader reads
elves_of() { find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec sh -c 'head -c 4 "$1" | grep -q ELF' - {} \; -print | sort; }
# newest_glibc FILE: "2.31"
newest_glibc() { objdump -T "$1" | grep -oE 'GLIBC_[0-9.]+' | cut -d _ -f 2 | sort -Vu | tail -n 1; }
cmake --install "$build" --prefix "$PWD/../stage" --strip >/dev/null
while read -r file; do
    newest=$(newest_glibc "$file")
    echo "glibc ${newest:-none}: ${file#"$PWD/../stage/"}"
    if [ "$PERPLEX_GLIBC" != any ] && [ "$(printf '%s\n' "$PERPLEX_GLIBC" "$newest" | sort -V | tail -n 1)" != "$PERPLEX_GLIBC" ]; then
        echo "package_build.sh: $file: asks for GLIBC_$newest; no symbol may be newer than GLIBC_$PERPLEX_GLIBC" >&2
        exit 1
    fi
done < <(elves_of "$PWD/../stage")

# depends_of ROOT: the packages of this Debian that an installation below ROOT/usr asks for, in the versions that have the symbols
# which it uses. ROOT/DEBIAN makes it known as a package, whose own libraries need none; a toolkit's cuBLAS has none.
depends_of() {
    mkdir -p "$1/DEBIAN" "$1/debian"
    printf 'Source: perplex\n\nPackage: perplex\nArchitecture: any\n' >"$1/debian/control"
    elves_of "$1/usr" | (cd "$1" && xargs dpkg-shlibdeps -O --ignore-missing-info -S"$1" -l"$PX_CUDA/lib64") | sed -n 's/^shlibs:Depends=//p'
}

# ---- packing: the .deb leaves zlib, zstd and tinfo to Debian, whose dpkg and bash have them anyway
(cd "$build" && cpack -G TGZ)
cmake -S . -B "$build" -DPERPLEX_BUNDLE=PRIVATE >/dev/null
cmake --build "$build" --parallel "$(nproc)" >/dev/null
if command -v dpkg-shlibdeps >/dev/null; then
    root=$(cd .. && pwd)/root
    cmake --install "$build" --prefix "$root/usr" --strip >/dev/null
    depends=$(depends_of "$root")
    echo "depends: ${depends:?package_build.sh: dpkg-shlibdeps names no package}"
    cmake -S . -B "$build" -DCPACK_DEBIAN_PACKAGE_DEPENDS="$depends" >/dev/null
    (cd "$build" && cpack -G DEB)
else
    echo "package_build.sh: no .deb: dpkg-shlibdeps, which reads what it depends on, is not here (Debian: dpkg-dev)" >&2
fi
rm -rf "$out/_CPack_Packages"
