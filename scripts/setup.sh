# shellcheck shell=bash
# Shared by quickstart.sh and test.sh (sourced, bash, at the top of the tree): finding what is missing, installing it, and
# building. How to see that a thing is there, and what its package is called, stands in packages.tsv, which CMake reads as well.
# PERPLEX_INSTALL=0 forbids installing; PERPLEX_PACKAGES names another table.
PX_TABLE=${PERPLEX_PACKAGES:-scripts/packages.tsv}

# px_row NAME COLUMN: of the table; column 2 is the check, 3 to 6 are the packages of Debian, Fedora, Arch and conda-forge.
px_row() {
    awk -F '\t' -v name="$1" -v column="$2" '$1 == name { print $column; found = 1 } END { exit !found }' "$PX_TABLE" ||
        { echo "$0: $PX_TABLE: no row for $1" >&2; exit 2; }
}

# ---- what is there

px_prefixes() {
    tr ':;' '\n\n' <<<"${CMAKE_PREFIX_PATH:-}"
    printf '%s\n' "${CONDA_PREFIX:-}" /usr/local /usr
}

# px_has_file PATTERN: below a folder where things are installed.
px_has_file() {
    local prefix
    while read -r prefix; do
        [ -z "$prefix" ] || ! compgen -G "$prefix/$1" >/dev/null || return 0
    done < <(px_prefixes)
    return 1
}

# px_has_debian PACKAGE: where there is no dpkg it cannot be asked, and the package is not missed.
px_has_debian() {
    command -v dpkg-query >/dev/null 2>&1 || return 0
    [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ]
}

px_has_header() {
    px_has_file "include/$1" || printf '#include <%s>\n' "$1" | ${CC:-cc} -E -x c - >/dev/null 2>&1
}

# px_has NAME: everything that its check asks for.
px_has() {
    local check checks
    checks=$(px_row "$1" 2) || exit 2
    for check in ${checks//,/ }; do
        case "$check" in
            program:cc) command -v "${CC:-cc}" >/dev/null 2>&1 ;; # as CMake takes them
            program:c++) command -v "${CXX:-c++}" >/dev/null 2>&1 ;;
            program:*) command -v "${check#*:}" >/dev/null 2>&1 ;;
            header:*) px_has_header "${check#*:}" ;;
            library:*) px_has_file "lib*/${check#*:}*" || px_has_file "lib/*/${check#*:}*" ;;
            corpus:*) [ -f "${PERPLEX_DATASETS:-datasets/data}/${check#*:}.txt" ] || command -v bible >/dev/null 2>&1 ;;
            package:*) px_has_debian "${check#*:}" ;;
            *) echo "$0: $PX_TABLE: $check: no such check" >&2; exit 2 ;;
        esac || return 1
    done
}

# ---- what its packages are called

# px_called COLUMN NAME...: the packages of one system, each once.
px_called() {
    local column=$1 name
    shift
    for name in "$@"; do px_row "$name" "$column" || exit 2; done | tr ' ' '\n' | awk '$0 != "-" && !seen[$0]++' | paste -sd ' '
}

# px_advise NAME...: how they are installed, a line for each system.
px_advise() {
    local column=3 system packages
    for system in "Debian, Ubuntu:  apt-get install" "Fedora, RHEL:    dnf install" "Arch:            pacman -S" \
        "conda:           conda install -c conda-forge"; do
        packages=$(px_called $column "$@") || exit 2
        [ $column != 4 ] || packages=${packages:+$packages    (RHEL: with EPEL)}
        [ -z "$packages" ] || echo "  $system $packages"
        column=$((column + 1))
    done
}

# ---- installing

# px_install NAME...: installs what is missing, after saying what; where that is not possible it says what is missing and what
# its packages are called, and ends with status 2.
px_install() {
    local missing=() packages name as_root=()
    for name in "$@"; do px_has "$name" || missing+=("$name"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "== missing: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root=(sudo -n) # nobody is there to type a password
    fi
    if [ "${PERPLEX_INSTALL:-1}" = 0 ] || ! command -v apt-get >/dev/null 2>&1 || ! command -v "${as_root[0]:-apt-get}" >/dev/null 2>&1; then
        px_give_up "${missing[@]}"
    fi
    packages=$(px_called 3 "${missing[@]}") || exit 2
    echo "== installing: ${as_root[*]} apt-get install $packages"
    "${as_root[@]}" apt-get update -q || echo "$0: apt-get update failed; trying with the lists at hand" >&2
    # shellcheck disable=SC2086 # several packages
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages || px_give_up "${missing[@]}"
}

px_give_up() {
    { echo "$0: missing: $*. Their packages:"; px_advise "$@"; } >&2
    echo "$0: libraries that lie elsewhere are found by CMAKE_PREFIX_PATH=FOLDER, those of conda in an active environment" >&2
    exit 2
}

# px_install_optional WHAT NAME...: as px_install, but where that is not possible it says that WHAT is left out, and goes on.
px_install_optional() {
    local what=$1
    shift
    (px_install "$@") || echo "$0: going on without $what" >&2
}

# Slurm, munge and OpenMPI, as programs alone: Debian would start their daemons, and enable them.
px_install_slurm() {
    local policy=/usr/sbin/policy-rc.d made=0 daemon fresh=()
    for daemon in munge slurmd slurmctld; do
        px_has_debian $daemon || fresh+=("$daemon")
    done
    if [ ${#fresh[@]} -gt 0 ] && [ -d /usr/sbin ] && [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy # no: start nothing
        chmod 755 $policy
        made=1
    fi
    px_install_optional "the batch scripts under a Slurm of their own" slurm mpi
    [ $made = 0 ] || rm -f $policy
    for daemon in "${fresh[@]}"; do
        systemctl disable "$daemon" >/dev/null 2>&1 || true
    done
}

# ---- building

px_cores() { nproc 2>/dev/null || echo 2; }

# px_build FOLDER [CMAKE FLAGS...]: configures and builds with all cores; ninja where it is there, and what is in an active conda
# environment is found.
px_build() {
    local folder=$1 generator=() log
    shift
    if [ ! -f "$folder/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then generator=(-G Ninja); fi
    [ -z "${CONDA_PREFIX:-}" ] || export CMAKE_PREFIX_PATH="${CMAKE_PREFIX_PATH:+$CMAKE_PREFIX_PATH:}$CONDA_PREFIX"
    echo "== building into $folder"
    log=$(mktemp)
    if ! cmake -S . -B "$folder" "${generator[@]}" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    cmake --build "$folder" --parallel "$(px_cores)"
}
