#!/usr/bin/env bash
# The steps of packaging/Dockerfile and packaging/perplex.def, done in bare Debian roots, without Docker or Apptainer: what comes out
# trains, evaluates and samples. Also here: quickstart.sh by an ordinary user, where the libraries are there.
#     containers.sh SOURCE
SOURCE=$1
. "$(dirname "$0")/lib.sh"
. "$SOURCE/scripts/bare_root.sh"
. "$(dirname "$0")/roots.sh"
need_roots packages_containers
export PERPLEX_DEBS
px_mirror_of bookworm >/dev/null || { echo "SKIP: packages_containers: no mirror here has Debian's bookworm (PERPLEX_MIRROR)"; exit 77; }

# copy_tree FOLDER: the tree as it is checked out, without what is built.
copy_tree() {
    mkdir -p "$1"
    (cd "$SOURCE" && tar -c --exclude=./build --exclude='./build-*' --exclude=./.git --exclude=./runs --exclude=./datasets/data .) | tar -x -C "$1"
}

# ---- Dockerfile: FROM, COPY, RUN and ENTRYPOINT, each line whole
declare -A stages
instruction() { # WORD REST
    case "$1" in
        FROM)
            [[ $2 =~ ^debian:12(-slim)?( AS ([a-z]+))?$ ]] && root_of bookworm || return 1
            [ -z "${BASH_REMATCH[3]:-}" ] || stages[${BASH_REMATCH[3]}]=$ROOT ;;
        COPY)
            read -r from to into <<<"$2"
            case "$from" in
                --from=*) cp -a "${stages[${from#--from=}]}$to/." "$ROOT$into/" ;;
                .) copy_tree "$ROOT$to" ;;
                *) return 1 ;;
            esac ;;
        RUN) in_root sh -c "$2" && ended 0 ;;
        ENTRYPOINT) entry=$(tr -d '[]" ' <<<"$2") ;;
        *) return 1 ;;
    esac
}
joined() { sed -e '/^#/d' -e '/^$/d' "$1" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta'; }
while read -r word rest; do
    instruction "$word" "$rest"
    must "Dockerfile: $word ${rest:0:60}" test $? = 0 || break
done < <(joined "$SOURCE/packaging/Dockerfile")
as_user sh -c "P=$entry; $FIRST_STEPS"
must "Dockerfile: an ordinary user trains, evaluates and samples in it" ended 0
docker=$(weights)
must "Dockerfile: there are weights" test -n "$docker"
rm -rf "$ROOT" "${stages[@]}"

# ---- Apptainer: %files, %post, %runscript, %test
section() { awk -v name="%$1" '/^%/ { on = $1 == name; next } on' "$SOURCE/packaging/perplex.def"; }
must "perplex.def: begins with what was a bare Debian 12" grep -qx 'From: debian:12' "$SOURCE/packaging/perplex.def"
root_of bookworm
must "perplex.def: copies the tree to /src" test "$(section files | xargs)" = ". /src"
copy_tree "$ROOT/src"
in_root sh -ec "$(section post)"
must "perplex.def: its %post succeeds" ended 0
in_root sh -c "$(section test)"
must "perplex.def: its %test succeeds" ended 0
section runscript >"$ROOT/usr/local/bin/run"
as_user sh -c "p() { sh /usr/local/bin/run \"\$@\"; }; P=p; $FIRST_STEPS"
must "perplex.def: an ordinary user trains, evaluates and samples in it" ended 0
must "perplex.def: the weights of the other container, bit for bit" test "$(weights)" = "$docker"
must "perplex.def: what only builds is gone" test ! -e "$ROOT/usr/bin/cmake" -a ! -e "$ROOT/src"
rm -rf "$ROOT"

# ---- quickstart.sh without root
root_of bookworm
copy_tree "$ROOT/home/user/perplex"
chown -R 1000:1000 "$ROOT/home/user"
as_user sh -c 'cd ~/perplex && ./quickstart.sh --quick'
must "quickstart.sh without libraries and root ends with status 2" ended 2
must "it names what is missing" grep -q 'missing: cmake make cc cjson utf8proc xxhash bible' "$OUT"
must "and the packages" grep -q 'dnf install .*cjson-devel' "$OUT"
in_root sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends cmake make gcc libc6-dev libcjson-dev libutf8proc-dev libxxhash-dev'
as_user sh -c 'cd ~ && for i in $(seq 3000); do echo "the river $((i % 17)) went to the king $((i % 13))"; done >text.txt && cd perplex && ./quickstart.sh --quick --text ../text.txt'
must "with them an ordinary user gets a model" ended 0
must "and a page that it wrote" grep -q '== a page by the model' "$OUT"
finish
