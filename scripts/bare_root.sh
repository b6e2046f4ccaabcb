# shellcheck shell=bash
# A bare Debian in a folder (sourced, bash): what packages are built and tested in. Needs root, debootstrap and a mirror.
# Mounts live in a namespace of their own, so that none is left behind.

# px_mirrors: addresses where Debian may be: PERPLEX_MIRROR, else where this machine's apt gets its packages from.
px_mirrors() {
    if [ -n "${PERPLEX_MIRROR:-}" ]; then
        echo "${PERPLEX_MIRROR%/}"
        return
    fi
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed 's|/$||' | sort -u
}

# px_mirror_of SUITE: the first of them that has the suite.
px_mirror_of() {
    local mirror file found=1
    file=$(mktemp)
    while read -r mirror; do
        if /usr/lib/apt/apt-helper download-file "$mirror/dists/$1/Release" "$file" >/dev/null 2>&1 && grep -q '^Codename: ' "$file"; then
            echo "$mirror"
            found=0
            break
        fi
    done < <(px_mirrors)
    rm -f "$file"
    return $found
}

# px_roots_possible: why there can be no bare root here; nothing where there can.
px_roots_possible() {
    if [ "$(id -u)" != 0 ]; then echo "only root can make a bare root"
    elif ! command -v debootstrap >/dev/null 2>&1; then echo "debootstrap is not installed"
    elif ! unshare --mount --pid --fork true 2>/dev/null; then echo "this machine allows no namespaces"
    fi
}

# px_make_root SUITE FOLDER: PERPLEX_DEBS names a folder that keeps the packages for the next time.
px_make_root() {
    local mirror cache=()
    mirror=$(px_mirror_of "$1") || { echo "no mirror here has Debian's $1; name one in PERPLEX_MIRROR" >&2; return 1; }
    if [ -n "${PERPLEX_DEBS:-}" ]; then
        mkdir -p "$PERPLEX_DEBS/$1"
        cache=(--cache-dir="$(cd "$PERPLEX_DEBS/$1" && pwd)")
    fi
    debootstrap --variant=minbase "${cache[@]}" "$1" "$2" "$mirror"
}

# px_in_root ROOT COMMAND...: as root, with nothing of this environment. PX_BIND="FROM:TO ..." shows folders of this machine in it,
# PX_USER=UID:GID runs it as that user, at home in /home/user.
px_in_root() {
    local root=$1
    shift
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --pid --fork bash -euc '
        root=$1 user=$2 home=/root
        shift 2
        [ -z "$user" ] || { home=/home/user && install -d -o "${user%:*}" -g "${user#*:}" "$root$home"; }
        mount -t proc proc "$root/proc"
        for bind in ${PX_BIND:-}; do mkdir -p "$root${bind#*:}" && mount --bind "${bind%%:*}" "$root${bind#*:}"; done
        cd "$root"
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME="$home" \
            DEBIAN_FRONTEND=noninteractive chroot ${user:+--userspec="$user"} . "$@"' root "$root" "${PX_USER:-}" "$@"
}

# px_root_install ROOT PACKAGE...: Debian packages into it.
px_root_install() {
    local root=$1
    shift
    px_in_root "$root" apt-get update -q && px_in_root "$root" apt-get install -y -q --no-install-recommends "$@"
}
