# shellcheck shell=bash
# Shared by quickstart.sh and test.sh (sourced, bash): installing Debian packages, and building.
# PERPLEX_INSTALL=0 forbids installing.

# px_install PACKAGE...: installs those that are missing, after saying which; where that is not possible it says exactly
# what is missing and ends with status 2.
px_install() {
    local missing=() package
    if ! command -v dpkg-query >/dev/null 2>&1; then
        px_check_tools "$@"
        return
    fi
    for package in "$@"; do
        if ! px_has_package "$package"; then missing+=("$package"); fi
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "== missing packages: ${missing[*]}"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null 2>&1; then as_root=(sudo); else PERPLEX_INSTALL=0; fi
    fi
    if [ "${PERPLEX_INSTALL:-1}" = 0 ]; then
        echo "$0: these packages are missing: ${missing[*]}" >&2
        echo "$0: install them as root: apt-get install ${missing[*]}" >&2
        exit 2
    fi
    echo "== installing them: ${as_root[*]} apt-get install ${missing[*]}"
    "${as_root[@]}" apt-get update -q || echo "$0: apt-get update failed; trying with the lists at hand" >&2
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; then
        echo "$0: installing failed; these packages are missing: ${missing[*]}" >&2
        exit 2
    fi
}

# px_install_optional WHAT PACKAGE...: as px_install, but where that is not possible it says that WHAT is left out, and goes on.
px_install_optional() {
    local what=$1
    shift
    command -v dpkg-query >/dev/null 2>&1 || return 0 # cmake will say what it did not find
    (px_install "$@") || echo "$0: going on without $what" >&2
}

# Slurm, munge and OpenMPI, as programs alone: Debian would start their daemons, and enable them.
px_install_slurm() {
    local policy=/usr/sbin/policy-rc.d made=0 daemon fresh=()
    for daemon in munge slurmd slurmctld; do
        px_has_package $daemon || fresh+=("$daemon")
    done
    if [ ${#fresh[@]} -gt 0 ] && [ -d /usr/sbin ] && [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy # no: start nothing
        chmod 755 $policy
        made=1
    fi
    px_install_optional "the batch scripts under a Slurm of their own" slurm-wlm munge openmpi-bin libopenmpi-dev libpmix-dev
    [ $made = 0 ] || rm -f $policy
    for daemon in "${fresh[@]}"; do
        systemctl disable "$daemon" >/dev/null 2>&1 || true
    done
}

px_has_package() {
    [ "$(dpkg-query -W -f '${Status}' "$1" 2>/dev/null)" = "install ok installed" ] && return 0
    # a tool that came another way will do
    case "$1" in
        cmake | make | gcc | g++) command -v "$1" >/dev/null 2>&1 ;;
        *) return 1 ;;
    esac
}

# Where there is no dpkg: look for the things themselves.
px_check_tools() {
    local missing=() package
    for package in "$@"; do
        case "$package" in
            cmake | make | gcc | g++) command -v "$package" >/dev/null 2>&1 || missing+=("$package") ;;
            libcjson-dev) px_has_header cjson/cJSON.h || missing+=("cJSON (cjson/cJSON.h, libcjson)") ;;
            libutf8proc-dev) px_has_header utf8proc.h || missing+=("utf8proc (utf8proc.h, libutf8proc)") ;;
            libxxhash-dev) px_has_header xxhash.h || missing+=("xxHash (xxhash.h, libxxhash)") ;;
            libcmocka-dev) px_has_header cmocka.h || missing+=("cmocka (cmocka.h, libcmocka)") ;;
            bible-kjv) command -v bible >/dev/null 2>&1 || [ -f "${PERPLEX_DATASETS:-datasets/data}/kjv.txt" ] ||
                missing+=("the program bible of Debian's bible-kjv, or kjv.txt in PERPLEX_DATASETS") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "$0: this is neither Debian nor Ubuntu, so nothing can be installed here. Missing:" >&2
    printf '  %s\n' "${missing[@]}" >&2
    exit 2
}

px_has_header() {
    printf '#include <%s>\n' "$1" | ${CC:-cc} -E -x c - >/dev/null 2>&1
}

px_cores() { nproc 2>/dev/null || echo 2; }

# px_build FOLDER [CMAKE FLAGS...]: configures and builds with all cores; ninja where it is there.
px_build() {
    local folder=$1 generator=()
    shift
    if [ ! -f "$folder/CMakeCache.txt" ] && command -v ninja >/dev/null 2>&1; then generator=(-G Ninja); fi
    echo "== building into $folder"
    local log
    log=$(mktemp)
    if ! cmake -S . -B "$folder" "${generator[@]}" "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    cmake --build "$folder" --parallel "$(px_cores)"
}
