#!/bin/sh
# Brings a corpus and checks it: size, then SHA-256. Nothing is left half-written: a file appears under its name only once
# it has been checked. The paths of its files go to standard output, everything else to standard error.
#
# Exit status: 0 done; 1 it could not be brought or is not what it should be; 2 wrong arguments, or a program is missing.
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
catalogue=${PERPLEX_CATALOGUE:-$here/corpora.tsv}
tab=$(printf '\t')
partial=

say() { printf '%s\n' "$*" >&2; }
die() { status=$1; shift; say "get.sh: $*"; exit "$status"; }
# shellcheck disable=SC2317 # called by the trap
clean() { [ -z "$partial" ] || rm -f -- "$partial" "$partial.zip"; }
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

usage() {
    cat <<END
Usage: get.sh NAME [DIR]     brings the corpus NAME into DIR and prints the paths of its files
       get.sh --list         names, sizes, licences and addresses

Without DIR: a corpus found in \$PERPLEX_DATASETS is used where it lies, else it goes to datasets/data.
Corpora: $(names)

  PERPLEX_DATASETS      a folder to look in first
  PERPLEX_DATASETS_URL  get everything below this address instead (a mirror: URL/timemachine.txt, URL/text8.zip, ...)
  PERPLEX_CATALOGUE     another list of corpora, of the form of corpora.tsv
END
}

# The lines of the catalogue, without comments.
lines() { grep -v -e '^#' -e '^[[:space:]]*$' "$catalogue"; }
names() { lines | cut -f 1 | uniq | tr '\n' ' ' | sed 's/ $//'; }

list() {
    lines | while IFS=$tab read -r name file bytes digest how licence address; do
        printf '%s\n  %s, %s bytes\n  sha256 %s\n  %s\n' "$name" "$file" "$bytes" "$digest" "$licence"
        [ "$address" = - ] || printf '  %s\n' "$address"
        [ "$how" != bible-kjv ] || printf '  from the Debian packages bible-kjv and bible-kjv-text\n'
    done
}

# ---- checking ----------------------------------------------------------------------------------------------------------

if command -v sha256sum >/dev/null 2>&1; then digest_program="sha256sum"
elif command -v shasum >/dev/null 2>&1; then digest_program="shasum -a 256"
elif command -v openssl >/dev/null 2>&1; then digest_program="openssl dgst -sha256 -r"
else die 2 "no program for SHA-256: install coreutils (sha256sum), perl (shasum) or openssl"
fi
# shellcheck disable=SC2086 # the program's options are words of their own
sha256() { $digest_program <"$1" | cut -d ' ' -f 1; }

# is_right FILE BYTES SHA256: sets $wrong to the reason if not.
is_right() {
    wrong=
    size=$(wc -c <"$1" | tr -d ' ') || { wrong="it cannot be read"; return 1; }
    if [ "$size" != "$2" ]; then wrong="$size bytes instead of $2"; return 1; fi
    found=$(sha256 "$1")
    [ "$found" = "$3" ] || { wrong="SHA-256 $found instead of $3"; return 1; }
}

# ---- bringing ----------------------------------------------------------------------------------------------------------

download() { # ADDRESS FILE
    if command -v curl >/dev/null 2>&1; then
        curl --fail --location --silent --show-error --retry 2 --connect-timeout 20 --output "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget --no-verbose --tries=3 --connect-timeout=20 --output-document="$2" "$1"
    else
        die 2 "neither curl nor wget is installed: apt-get install curl"
    fi
}

extract() { # ARCHIVE MEMBER FILE
    if command -v unzip >/dev/null 2>&1; then unzip -p "$1" "$2" >"$3"
    elif command -v bsdtar >/dev/null 2>&1; then bsdtar -xOf "$1" "$2" >"$3"
    elif command -v python3 >/dev/null 2>&1; then
        python3 -c 'import shutil,sys,zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as i, open(sys.argv[3], "wb") as o: shutil.copyfileobj(i, o)' "$1" "$2" "$3"
    else die 2 "no program for zip archives: apt-get install unzip"
    fi
}

# Tries every address until one gives the right file in $partial.
fetch() { # FILE BYTES SHA256 HOW ADDRESSES
    base=${PERPLEX_DATASETS_URL:-}
    if [ -n "$base" ]; then
        case $4 in zip:*) addresses=${base%/}/${5##*/} ;; *) addresses=${base%/}/$1 ;; esac
    else
        addresses=$5
    fi
    for address in $addresses; do
        say "from $address"
        rm -f -- "$partial" "$partial.zip"
        case $4 in
        plain) download "$address" "$partial" || { say "get.sh: $address: could not be downloaded"; continue; } ;;
        zip:*)
            download "$address" "$partial.zip" || { say "get.sh: $address: could not be downloaded"; continue; }
            extract "$partial.zip" "${4#zip:}" "$partial" || { say "get.sh: $address: not a zip archive with ${4#zip:} in it"; continue; }
            rm -f -- "$partial.zip"
            ;;
        *) die 2 "$catalogue: $1: there is no way to get a corpus called '$4'" ;;
        esac
        is_right "$partial" "$2" "$3" && return 0
        say "get.sh: $address: not the file that is expected: $wrong"
    done
    return 1
}

# The King James Bible, verses only, as Debian's program prints it.
write_bible() {
    if ! command -v bible >/dev/null 2>&1; then
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
            say "installing the Debian packages bible-kjv and bible-kjv-text"
            DEBIAN_FRONTEND=noninteractive apt-get install -y bible-kjv bible-kjv-text >&2 || true
        fi
        command -v bible >/dev/null 2>&1 || die 2 "kjv comes from Debian's packages: apt-get install bible-kjv bible-kjv-text (as root)"
    fi
    say "from the program bible (packages bible-kjv, bible-kjv-text)"
    bible -f gen1:1-rev22:21 </dev/null | LC_ALL=C sed -E 's/^[^ ]+ //' >"$partial"
    is_right "$partial" "$1" "$2" || { say "get.sh: the packages' text is not the one that is expected: $wrong"; return 1; }
}

# ---- looking -----------------------------------------------------------------------------------------------------------

# Where a file may lie below PERPLEX_DATASETS: under its own name, or as its publisher names it.
find_known() { # NAME FILE BYTES SHA256: sets $known
    folder=${PERPLEX_DATASETS:-}
    [ -n "$folder" ] || return 1
    leaf=${2##*/}
    part=${leaf%.txt}
    for known in "$folder/$2" "$folder/$1/$leaf" "$folder/$leaf" "$folder/$1.txt" "$folder/$1/input.txt" "$folder/wikitext-2/$leaf" \
        "$folder/wikitext-2/wiki.$part.tokens" "$folder/wikitext2/wiki.$part.tokens"; do
        [ -f "$known" ] && is_right "$known" "$3" "$4" && return 0
    done
    return 1
}

bring() { # NAME FILE BYTES SHA256 HOW ADDRESSES
    target=$folder_out/$2
    if [ -f "$target" ] && is_right "$target" "$3" "$4"; then
        say "$2: already there, size and SHA-256 are right"
        printf '%s\n' "$target"
        return 0
    fi
    if find_known "$1" "$2" "$3" "$4"; then
        say "$2: found in PERPLEX_DATASETS, size and SHA-256 are right"
        if [ -z "$asked_folder" ]; then
            printf '%s\n' "$known"
            return 0
        fi
    else
        known=
    fi
    parent=$(dirname -- "$target")
    mkdir -p -- "$parent" 2>/dev/null
    if [ ! -d "$parent" ] || [ ! -w "$parent" ]; then die 2 "$parent: not a folder that can be written to"; fi
    [ ! -d "$target" ] || die 2 "$target: a folder stands where the file should"
    partial=$parent/.${target##*/}.part.$$
    if [ -n "$known" ]; then
        if ! cp -- "$known" "$partial" || ! is_right "$partial" "$3" "$4"; then say "get.sh: $known: could not be copied"; return 1; fi
    elif [ "$5" = bible-kjv ]; then
        write_bible "$3" "$4" || return 1
    else
        fetch "$2" "$3" "$4" "$5" "$6" || return 1
    fi
    if ! chmod 644 "$partial" || ! mv -f -- "$partial" "$target"; then say "get.sh: $target: cannot be written"; return 1; fi
    partial=
    say "$2: $3 bytes, SHA-256 $4: right"
    printf '%s\n' "$target"
}

# ---- the program -------------------------------------------------------------------------------------------------------

[ -r "$catalogue" ] || die 2 "$catalogue: the list of corpora cannot be read"
case ${1:-} in
-h | --help) usage; exit 0 ;;
--list) [ $# = 1 ] || die 2 "--list takes nothing else"; list; exit 0 ;;
'') usage >&2; exit 2 ;;
-*) die 2 "$1: unknown option; get.sh NAME [DIR], or get.sh --list" ;;
esac
[ $# -le 2 ] || die 2 "too many arguments: get.sh NAME [DIR]"
name=$1
asked_folder=${2:-}
folder_out=${asked_folder:-$here/data}
[ $# -lt 2 ] || [ -n "$asked_folder" ] || die 2 "the folder's name is empty"

found_name=
licence_said=
# Not a pipe: the loop must be able to end the script.
while IFS=$tab read -r row file bytes digest how licence address; do
    [ "$row" = "$name" ] || continue
    found_name=1
    [ -n "$licence_said" ] || say "$name: $licence"
    licence_said=1
    bring "$name" "$file" "$bytes" "$digest" "$how" "$address" || die 1 "$name: $file was not brought; nothing was left behind"
done <<END
$(lines)
END
[ -n "$found_name" ] || die 2 "$name: there is no such corpus; there are: $(names)"
exit 0
