#!/usr/bin/env bash
# Runs every command of docs/chapter.md, in the page's order and in one folder, and compares what it prints with the page.
# A comment before a block says how: <!-- numbers: exact -->, <!-- numbers: 10 % --> (each number within that, words exactly),
# <!-- lines --> (only how many: texts that a trained model made). CHAPTER_UPDATE=FILE writes the page anew, with the output of this machine.
. "$(dirname "$0")/../golden/golden.sh"
PAGE=$SOURCE_DIR/docs/chapter.md
need_corpus timemachine.txt
mkdir "$WORK/bin" "$WORK/blocks"
ln -s "$PERPLEX" "$WORK/bin/perplex"
ln -s "$3" "$WORK/bin/perplex-source"
export PATH=$WORK/bin:$PATH
cp "$CORPUS" timemachine.txt

# N.command, N.want, N.compare for every command; a block may have several. Lines that begin with "> " continue a command.
awk -v folder="$WORK/blocks" '
    function file(kind) { return sprintf("%s/%03d.%s", folder, n, kind) }
    /^<!-- .* -->$/ { compare = $0; gsub(/^<!-- | -->$/, "", compare) }
    /^```console$/ { inside = 1; next }
    /^```$/ { inside = 0 }
    !inside { next }
    /^\$ / { n++; printf "%s", "" >file("want"); print compare >file("compare"); print substr($0, 3) >file("command"); continued = 1; next }
    continued && /^> / { print substr($0, 3) >file("command"); next }
    { continued = 0; print >file("want") }
    END { print n + 0 }' "$PAGE" >"$WORK/count"
must "the page has commands" test "$(cat "$WORK/count")" -gt 5

# same WANT GOT SHARE: word by word; numbers (with their commas, %, and punctuation taken off) within that share.
same() {
    awk -v want="$1" -v share="$3" '
        function number(w) { gsub(/,/, "", w); sub(/[;:.)]+$/, "", w); sub(/^\(/, "", w); return w }
        function is_number(w) { return w ~ /^[-+]?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?$/ }
        function differ(a, b) { print "line " NR ": want " a ", got " b; bad = 1 }
        { if ((getline line <want) <= 0) { differ("the end", $0); exit }
          count = split(line, w, " ")
          if (count != NF) { differ(line, $0); next }
          for (i = 1; i <= NF; i++) {
              a = number(w[i]); b = number($i)
              if (!is_number(a) || !is_number(b)) { if (w[i] != $i) differ(w[i], $i); continue }
              d = a - b; if (d < 0) d = -d
              size = a < 0 ? -a : a
              if (d > share * size) differ(w[i], $i)
          } }
        END { if (!bad && (getline line <want) > 0) differ(line, "the end"); exit bad }' "$2"
}

for command in "$WORK"/blocks/*.command; do
    block=${command%.command}
    bash "$command" >"$OUT" 2>"$ERR"
    status=$? # read by done_with
    export status
    sed 's/[[:space:]]*$//' "$OUT" >"$block.got"
    name=$(head -n 1 "$command" | cut -c 1-70)
    compare=$(cat "$block.compare")
    case $compare in
    "numbers: exact") must "exactly: $name" same "$block.want" "$block.got" 0 ;;
    "numbers: "*" %") share=${compare#numbers: }; must "within $share: $name" same "$block.want" "$block.got" "$(awk -v p="${share% %}" 'BEGIN { print p / 100 }')" ;;
    lines) must "as many lines: $name" test "$(wc -l <"$block.got")" = "$(wc -l <"$block.want")" ;;
    *) fail "the page says how to compare: $name" "not: $compare" ;;
    esac
    done_with "status 0: $name" 0
done

[ -z "${CHAPTER_UPDATE:-}" ] || awk -v folder="$WORK/blocks" '
    function show(line) { while ((getline line <got) > 0) print line }
    /^```console$/ { inside = 1 }
    !inside { print; next }
    /^\$ / { if (n) show(); n++; got = sprintf("%s/%03d.got", folder, n); print; continued = 1; next }
    continued && /^> / { print; next }
    /^```$/ { show(); inside = 0; n_shown = n; got = "/dev/null"; print; next }
    /^```console$/ { print; got = "/dev/null"; next }
    { continued = 0 }' "$PAGE" >"$CHAPTER_UPDATE"
finish
