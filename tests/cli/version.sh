#!/usr/bin/env bash
# perplex --version: one version everywhere, the commit, and what this build and this machine can do.
#     version.sh PERPLEX JSON_GET SOURCE CMAKE VERSION ZLIB ZSTD TENSORBOARD     (the last three as CMake found them: 0 or 1)
SOURCE=$3
CMAKE=$4
VERSION=$5
. "$(dirname "$0")/lib.sh"

# value NAME: what stands behind the name in the last output.
value() { sed -nE "s/^$1 {2,}(.*)/\\1/p" "$OUT"; }
says() { [[ $(value "$1") == "$2"* ]]; }
yes_or_no() { if [ "$1" = 1 ]; then echo yes; else echo no; fi; }

run --version
done_with "--version ends with status 0" 0
must "the first line is name and version alone" test "$(head -n 1 "$OUT")" = "perplex $VERSION"
must "the header has the same version" grep -qx "$(tr . ' ' <<<"$VERSION" | awk '{ print $2 }')" \
    <(sed -nE 's/^#define PERPLEX_VERSION_MINOR ([0-9]+).*/\1/p' "$SOURCE/include/perplex/version.h")
must "it fits 80 columns" test "$(awk '{ if (length > m) m = length } END { print m }' "$OUT")" -le 80
must "an instruction set that every processor has is among those built" grep -qw baseline <<<"$(value 'instruction sets')"
must "zlib is there as it was found" says zlib "$(yes_or_no "$6")"
must "zstd is there as it was found" says zstd "$(yes_or_no "$7")"
must "TensorBoard is there as it was found" says TensorBoard "$(yes_or_no "$8")"
for part in LAPACK MPI NCCL CUDA; do must "$part is there or not" grep -qE '^(yes|no) \(' <<<"$(value $part)"; done
commit=$(value commit)
if described=$(git -C "$SOURCE" describe --always --abbrev=12 2>/dev/null); then
    must "the commit is the tree's" test "${commit%-dirty}" = "$described"
else skip cli_version "no git repository: the commit was not compared"; fi
run completion man
must "the manual page has the version" grep -q "^\.TH .*\"perplex $VERSION\"" "$OUT"

export PERPLEX_ISA=baseline
run --version
must "PERPLEX_ISA is what is taken" grep -q '; here: baseline$' "$OUT"
unset PERPLEX_ISA
export PERPLEX_NCCL=/nowhere/libnccl.so PERPLEX_CUDA_MODULE=/nowhere/cuda.so PERPLEX_MPI_MODULE=/nowhere/mpi.so
run --version
done_with "parts that are missing are no failure" 0
for part in NCCL CUDA MPI; do must "$part where there is none: no" says $part no; done
touch cuda.so
PERPLEX_CUDA_MODULE=$PWD/cuda.so
run --version
must "CUDA where the module is: yes" says CUDA yes

# ---- the commit of a source archive, which has no repository (git archive fills commit.txt)
mkdir archive
cp "$SOURCE"/cmake/{commit,write_if_different}.cmake archive
echo 0123456789abcdef0123456789abcdef01234567 >archive/commit.txt
"$CMAKE" "-DSOURCE=$SOURCE" "-DOUT=$PWD/px_commit.h" -P archive/commit.cmake
must "an archive names the commit that it was made of" grep -q '"0123456789ab"' px_commit.h
must "git fills it in" grep -q '^/cmake/commit.txt export-subst$' "$SOURCE/.gitattributes"
finish
