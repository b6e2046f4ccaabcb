#!/usr/bin/env bash
# datasets/get.sh against a local HTTP server: good, short, altered, missing, unreachable, archives; what is found in
# PERPLEX_DATASETS; wrong arguments. Usage: datasets_get.sh SOURCE_DIR
set -u
get=$1/datasets/get.sh
command -v python3 >/dev/null || { echo "SKIP: python3 (the local HTTP server) is not installed"; exit 77; }
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
unset PERPLEX_DATASETS PERPLEX_DATASETS_URL PERPLEX_CATALOGUE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
export no_proxy='*'
failures=0
cases=0

# check NAME STATUS PATTERN COMMAND...: the command ends so, and its messages match the pattern.
check() {
    local name=$1 want=$2 pattern=$3
    shift 3
    "$@" >"$work/out" 2>"$work/err" </dev/null
    local status=$?
    cases=$((cases + 1))
    if [ "$status" = "$want" ] && grep -q -e "$pattern" "$work/err" "$work/out"; then
        echo "ok    $name"
    else
        failures=$((failures + 1))
        echo "FAIL  $name: status $status, want $want and '$pattern'"
        sed 's/^/      | /' "$work/err" "$work/out"
    fi
}
# holds NAME TEST...
holds() {
    local name=$1
    shift
    cases=$((cases + 1))
    if "$@"; then echo "ok    $name"; else failures=$((failures + 1)); echo "FAIL  $name: $*"; fi
}
is_empty() { [ -z "$(find "$1" -type f 2>/dev/null)" ]; }

# ---- what the server has, and a catalogue of it
mkdir -p "$work/www/two" "$work/elsewhere"
printf 'a small text\nof two lines\n' >"$work/www/good.txt"
printf 'a small text\nof two lin' >"$work/www/short.txt"
printf 'a small text\nof two lineZ\n' >"$work/www/altered.txt"
printf 'first part\n' >"$work/www/two/train.txt"
printf 'second part\n' >"$work/www/two/valid.txt"
(cd "$work/www" && python3 -c '
import zipfile
zipfile.ZipFile("good.zip", "w", zipfile.ZIP_DEFLATED).write("good.txt", "inside/good")
zipfile.ZipFile("altered.zip", "w").write("altered.txt", "inside/good")
open("broken.zip", "wb").write(open("good.zip", "rb").read()[:60])')
python3 - "$work/www" "$work/port" <<'PY' &
import functools, http.server, os, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=sys.argv[1]))
with open(sys.argv[2] + ".new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename(sys.argv[2] + ".new", sys.argv[2])
server.serve_forever()
PY
server=$!
for _ in $(seq 6000); do [ -s "$work/port" ] && break; sleep 0.1; done
[ -s "$work/port" ] || { echo "FAIL  the local HTTP server did not start"; exit 1; }
url=http://127.0.0.1:$(cat "$work/port")

digest() { sha256sum <"$1" | cut -d ' ' -f 1; }
bytes=$(wc -c <"$work/www/good.txt")
sum=$(digest "$work/www/good.txt")
row() { printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$@"; }
{
    echo "# corpora of the test"
    row good good.txt "$bytes" "$sum" plain "no rights reserved" "$url/good.txt"
    row short short.txt "$bytes" "$sum" plain - "$url/short.txt"
    row altered altered.txt "$bytes" "$sum" plain - "$url/altered.txt"
    row missing missing.txt "$bytes" "$sum" plain - "$url/missing.txt"
    row unreachable unreachable.txt "$bytes" "$sum" plain - "http://127.0.0.1:1/good.txt"
    row second second.txt "$bytes" "$sum" plain - "$url/missing.txt $url/altered.txt $url/good.txt"
    row archive archive.txt "$bytes" "$sum" zip:inside/good - "$url/good.zip"
    row altered-archive a.txt "$bytes" "$sum" zip:inside/good - "$url/altered.zip"
    row broken-archive b.txt "$bytes" "$sum" zip:inside/good - "$url/broken.zip"
    row no-member c.txt "$bytes" "$sum" zip:inside/other - "$url/good.zip"
    row two two/train.txt "$(wc -c <"$work/www/two/train.txt")" "$(digest "$work/www/two/train.txt")" plain - "$url/two/train.txt"
    row two two/valid.txt "$(wc -c <"$work/www/two/valid.txt")" "$(digest "$work/www/two/valid.txt")" plain - "$url/two/valid.txt"
} >"$work/corpora.tsv"
export PERPLEX_CATALOGUE=$work/corpora.tsv

# Every case with curl and with wget, each alone in PATH.
mkdir "$work/tools"
for tool in sh bash dirname basename tr grep cut uniq sed wc sha256sum rm mv cp chmod mkdir cat printf unzip python3 id bible; do
    found=$(command -v "$tool") && [ "${found#/}" != "$found" ] && ln -sf "$found" "$work/tools/$tool"
done
tried=
for client in curl wget; do
    command -v "$client" >/dev/null || { echo "SKIP: $client is not installed"; continue; }
    tried="$tried $client"
    mkdir "$work/$client-path"
    ln -s "$(command -v "$client")" "$work/$client-path/$client"
    path=$work/$client-path:$work/tools
    d=$work/$client
    check "$client: a good file arrives" 0 "no rights reserved" env PATH="$path" "$get" good "$d"
    holds "$client: its path is printed" [ "$(cat "$work/out")" = "$d/good.txt" ]
    holds "$client: it is the file" cmp -s "$d/good.txt" "$work/www/good.txt"
    check "$client: it is not brought again" 0 "already there" env PATH="$path" PERPLEX_DATASETS_URL=http://127.0.0.1:1 "$get" good "$d"
    check "$client: two files of one corpus arrive" 0 "two/valid.txt" env PATH="$path" "$get" two "$d"
    holds "$client: both are there" [ "$(cat "$work/out")" = "$d/two/train.txt
$d/two/valid.txt" ]
    check "$client: the address after bad ones is tried" 0 "could not be downloaded" env PATH="$path" "$get" second "$d"
    holds "$client: and its file is right" cmp -s "$d/second.txt" "$work/www/good.txt"
    check "$client: an archive's member arrives" 0 "right" env PATH="$path" "$get" archive "$d"
    holds "$client: and is right" cmp -s "$d/archive.txt" "$work/www/good.txt"
    e=$work/$client-bad
    check "$client: a short file is refused" 1 "instead of $bytes" env PATH="$path" "$get" short "$e"
    check "$client: an altered file is refused" 1 "SHA-256 .* instead of $sum" env PATH="$path" "$get" altered "$e"
    check "$client: a missing file is an error" 1 "could not be downloaded" env PATH="$path" "$get" missing "$e"
    check "$client: an unreachable server is an error" 1 "could not be downloaded" env PATH="$path" "$get" unreachable "$e"
    check "$client: an altered archive is refused" 1 "SHA-256 .* instead of" env PATH="$path" "$get" altered-archive "$e"
    check "$client: a broken archive is an error" 1 "not a zip archive" env PATH="$path" "$get" broken-archive "$e"
    check "$client: an archive without the member is an error" 1 "not a zip archive with inside/other" env PATH="$path" "$get" no-member "$e"
    holds "$client: nothing of these is left behind" is_empty "$e"
    check "$client: a mirror takes the addresses' place" 0 "from $url/two/train.txt" env PATH="$path" PERPLEX_DATASETS_URL="$url/" "$get" two "$work/$client-mirror"
    printf 'what was there' >"$e/short.txt"
    check "$client: a wrong file that is there stays when no better one comes" 1 "instead of" env PATH="$path" "$get" short "$e"
    holds "$client: it is as it was" [ "$(cat "$e/short.txt")" = "what was there" ]
    printf 'what was there' >"$d/good.txt"
    check "$client: and is replaced by the right one" 0 "right" env PATH="$path" "$get" good "$d"
    holds "$client: which is right" cmp -s "$d/good.txt" "$work/www/good.txt"
done
holds "a program for downloads was there" [ -n "$tried" ]
check "without curl and wget it says what to install" 2 "apt-get install curl" env PATH="$work/tools" "$get" good "$work/none"

# ---- PERPLEX_DATASETS
cp "$work/www/good.txt" "$work/elsewhere/good.txt"
check "a corpus of PERPLEX_DATASETS is used where it lies" 0 "found in PERPLEX_DATASETS" env PERPLEX_DATASETS="$work/elsewhere" PERPLEX_DATASETS_URL=http://127.0.0.1:1 "$get" good
holds "and its path is printed" [ "$(cat "$work/out")" = "$work/elsewhere/good.txt" ]
check "it is copied where a folder is given" 0 "right" env PERPLEX_DATASETS="$work/elsewhere" PERPLEX_DATASETS_URL=http://127.0.0.1:1 "$get" good "$work/copied"
holds "and the copy is right" cmp -s "$work/copied/good.txt" "$work/www/good.txt"
cp "$work/www/altered.txt" "$work/elsewhere/good.txt"
check "an altered one there is not taken" 0 "from $url/good.txt" env PERPLEX_DATASETS="$work/elsewhere" "$get" good "$work/fresh"
mkdir -p "$work/elsewhere/wikitext-2"
cp "$work/www/two/train.txt" "$work/elsewhere/wikitext-2/wiki.train.tokens"
cp "$work/www/two/valid.txt" "$work/elsewhere/wikitext-2/wiki.valid.tokens"
check "names that publishers use are known" 0 "found in PERPLEX_DATASETS" env PERPLEX_DATASETS="$work/elsewhere" PERPLEX_DATASETS_URL=http://127.0.0.1:1 "$get" two

# ---- wrong arguments
check "an unknown name is refused with the known ones" 2 "there are: good short" "$get" nosuch "$work/x"
check "no name is refused" 2 "Usage" "$get"
check "an unknown option is refused" 2 "unknown option" "$get" --nosuch
check "a third argument is refused" 2 "too many" "$get" good a b
check "an empty folder name is refused" 2 "empty" "$get" good ""
check "a folder that cannot be is refused" 2 "not a folder" "$get" good "$work/www/good.txt/below"
mkdir -p "$work/blocked/good.txt"
check "a folder in the file's place is refused" 2 "a folder stands" "$get" good "$work/blocked"
check "a missing catalogue is refused" 2 "cannot be read" env PERPLEX_CATALOGUE="$work/nosuch" "$get" good "$work/x"
check "help is given" 0 "Usage" "$get" --help
unset PERPLEX_CATALOGUE
check "the real list names every corpus" 0 "mattmahoney.net/dc/enwik8.zip" "$get" --list
for name in kjv timemachine tinyshakespeare wikitext2 text8 enwik8; do
    "$get" --list | grep -qx "$name" || { echo "FAIL  --list lacks $name"; failures=$((failures + 1)); }
done

# ---- the real ones, as far as they are here
if command -v bible >/dev/null; then
    check "kjv comes from Debian's packages" 0 "4137850 bytes" "$get" kjv "$work/real"
    holds "and has 31102 lines" [ "$(wc -l <"$work/real/kjv.txt")" -eq 31102 ]
elif [ "$(id -u)" != 0 ]; then
    echo "SKIP: kjv: the packages bible-kjv and bible-kjv-text are not installed"
    check "without them kjv says what to install" 2 "apt-get install bible-kjv bible-kjv-text" "$get" kjv "$work/real"
fi
shared=$1/../shared/datasets
if [ -d "$shared" ]; then
    for name in timemachine tinyshakespeare wikitext2; do
        check "$name is known by its checksum" 0 "found in PERPLEX_DATASETS" env PERPLEX_DATASETS="$shared" PERPLEX_DATASETS_URL=http://127.0.0.1:1 "$get" "$name"
    done
else
    echo "SKIP: timemachine, tinyshakespeare, wikitext2: not beside the checkout"
fi
if command -v shellcheck >/dev/null; then
    holds "shellcheck finds nothing" shellcheck "$get"
else
    echo "SKIP: shellcheck is not installed"
fi
echo "$((cases - failures)) of $cases cases hold"
[ "$failures" = 0 ]
