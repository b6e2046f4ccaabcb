#!/usr/bin/env bash
# Where libraries are missing, CMake and quickstart.sh say so at once, with the packages of every system; where they are there,
# nothing else is asked for.
#     missing.sh SOURCE CMAKE CC
SOURCE=$1
CMAKE=$2
CC=$3
. "$(dirname "$0")/lib.sh"

# ---- CMake, which looks for libraries in a root of ours alone
header() { mkdir -p "$WORK/root/usr/include/$(dirname "$1")" && touch "$WORK/root/usr/include/$1"; }
library() { mkdir -p "$WORK/root/usr/lib" && touch "$WORK/root/usr/lib/lib$1.so"; }
configure() { # FLAGS...
    rm -rf "$WORK/build"
    attempt "$CMAKE" -S "$SOURCE" -B "$WORK/build" -DCMAKE_C_COMPILER="$CC" -DPERPLEX_CUDA=OFF -DPERPLEX_MPI=OFF -DPERPLEX_LAPACK=OFF \
        -DCMAKE_FIND_ROOT_PATH="$WORK/root" -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY "$@"
}
says() { tr '\n' ' ' <"$OUT" | tr -s ' ' | grep -qF -e "$1"; }
mkdir -p "$WORK/root"
configure
must "without libraries CMake fails" failed
for name in cjson utf8proc xxhash cmocka; do must "it names $name" says "$name (header"; done
must "it names Debian's packages, all at once" says "apt-get install libcjson-dev libutf8proc-dev libxxhash-dev libcmocka-dev"
must "and Fedora's" says "dnf install cjson-devel utf8proc-devel xxhash-devel libcmocka-devel (RHEL: with EPEL)"
must "and Arch's" says "pacman -S cjson libutf8proc xxhash cmocka"
must "and those of conda-forge" says "conda install -c conda-forge cjson libutf8proc xxhash cmocka"
header cjson/cJSON.h; header utf8proc.h; header cmocka.h
library cjson; library utf8proc; library cmocka; library xxhash
configure
must "with one header missing it fails" failed
must "it names that library's packages" says "apt-get install libxxhash-dev Fedora, RHEL: dnf install xxhash-devel (RHEL: with EPEL) Arch: pacman -S xxhash"
must "and no other's" test "$(grep -c 'cjson' "$OUT")" = 0
header xxhash.h
configure -DPERPLEX_TESTS=OFF
must "with all of them it configures" ended 0
must "it says what zlib is missing for" says "texts compressed by gzip are not read"
must "and what its packages are called" says "dnf install zlib-devel"
must "TensorBoard's are named together" says "apt-get install protobuf-c-compiler libprotobuf-c-dev libisal-dev"

# ---- the scripts: a table of ours with what is there and what is not
cd "$SOURCE" || exit 1
{
    printf 'there\tprogram:sh\td-there\tf-there\ta-there\tc-there\n'
    printf 'lib\theader:px_lib.h,library:libpx_lib.so\td-lib d-lib-dev\tf-lib\t-\tc-lib\n'
    printf 'other\tprogram:px-no-such-program\td-other d-lib\tf-other\ta-other\t-\n'
} >"$WORK/table"
installs() { # NAMES...: what setup.sh says of them, without installing
    attempt env PERPLEX_INSTALL=0 PERPLEX_PACKAGES="$WORK/table" CMAKE_PREFIX_PATH="$WORK/none:$WORK/prefix" CONDA_PREFIX= \
        bash -c '. scripts/setup.sh; px_install "$@"' setup "$@"
}
installs there
must "what is there is not asked for" ended 0
installs there lib other
must "what is missing ends with status 2" ended 2
must "it is named" says "missing: lib other"
must "with Debian's packages, each once" says "apt-get install d-lib d-lib-dev d-other"
must "with Fedora's" says "dnf install f-lib f-other (RHEL: with EPEL)"
must "with Arch's" says "pacman -S a-other"
must "with those of conda-forge" says "conda install -c conda-forge c-lib"
must "what is there is not among them" test "$(grep -c there "$OUT")" = 0
mkdir -p "$WORK/prefix/include" "$WORK/prefix/lib"
touch "$WORK/prefix/include/px_lib.h" "$WORK/prefix/lib/libpx_lib.so.3"
installs there lib
must "a library below CMAKE_PREFIX_PATH is there" ended 0
attempt env PERPLEX_INSTALL=0 PERPLEX_PACKAGES="$WORK/table" CONDA_PREFIX="$WORK/prefix" bash -c '. scripts/setup.sh; px_install lib'
must "one of an active conda environment too" ended 0
attempt env CC=px-no-such-compiler PERPLEX_INSTALL=0 bash -c '. scripts/setup.sh; px_install cc'
must "a compiler that CC names is looked for" says "missing: cc"
installs unheard-of
must "a name that the table has not is a mistake" says "no row for unheard-of"

# ---- the table itself
must "every row has six columns and known checks" awk -F '\t' '/^#/ { next } NF != 6 { print; bad = 1 }
    { n = split($2, check, ","); for (i = 1; i <= n; i++) if (check[i] !~ /^(program|header|library|package|corpus):./) { print; bad = 1 } }
    END { exit bad }' scripts/packages.tsv
asked=$(sed -nE 's/^NEEDED=\((.*)\).*/\1/p; s/.*px_install_optional "[^"]*" ([^;|]*).*/\1/p' quickstart.sh test.sh scripts/setup.sh | tr ' ' '\n' | sed 's/)$//' | sort -u)
for name in $asked; do must "the table has $name" grep -q "^$name	" scripts/packages.tsv; done
must "several were looked for" test "$(wc -w <<<"$asked")" -gt 10
must "quickstart.sh refuses a text that is not there" bash -c './quickstart.sh --text /nowhere/text 2>&1 | grep -q -- "--text needs a file"'
finish
