#!/usr/bin/env bash
# libperplex shows the functions that its headers declare, and nothing else; the same in its static form.
#     symbols.sh SOURCE LIBPERPLEX.SO LIBPERPLEX.A|none
set -euo pipefail
source=$1
shared=$2
static=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
status=0

sed -n 's/^PERPLEX_API .*[ *]\(px_[a-z_]*\)(.*/\1/p' "$source"/include/perplex/*.h | sort >"$work/declared"
sed -n 's/^ *\(px_[a-z_]*\);$/\1/p' "$source/host/library/libperplex.map" | sort >"$work/map"
[ "$(wc -l <"$work/declared")" -gt 15 ] || { echo "FAIL: too few functions were found in the headers"; exit 1; }

compare() { # NAME FILE
    if diff "$work/declared" "$2" >"$work/diff"; then echo "ok    $1"; else
        echo "FAIL  $1 (< declared, > there):"
        sed 's/^/      /' "$work/diff"
        status=1
    fi
}

compare "the version script names the declared functions" "$work/map"
nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/shown"
compare "libperplex.so shows the declared functions" "$work/shown"
soname=$(readelf -d "$shared" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
if [[ $soname =~ ^libperplex\.so\.[0-9]+\.[0-9]+$ ]]; then echo "ok    its name carries a version: $soname"; else
    echo "FAIL  its name carries a version: '$soname'"
    status=1
fi
if [ "$static" != none ]; then
    nm -g --defined-only "$static" | awk 'NF == 3 { print $3 }' | sort >"$work/archived"
    compare "libperplex.a shows the declared functions" "$work/archived"
fi
exit $status
