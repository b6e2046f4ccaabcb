#!/usr/bin/env bash
# Runs the command blocks of README.md and docs/manual: every block that is indented by four spaces, of a page in order and of all
# pages in one folder, where book.txt, tinyshakespeare.txt and the like are a small text. A comment on the line before a block says
# otherwise: <!-- output --> (what a command printed), <!-- not run: WHY -->, which is listed as SKIP.
#   manual.sh PERPLEX JSON_GET SOURCE
. "$(dirname "$0")/../cli/lib.sh"
SOURCE_DIR=$3
unset OMP_NUM_THREADS

mkdir -p build "$WORK/bin" "$WORK/blocks"
ln -s "$PERPLEX" build/perplex
ln -s "$PERPLEX" "$WORK/bin/perplex"
export PATH=$WORK/bin:$PATH PERPLEX_DATASETS=$WORK/nowhere
# Enough for a split into three parts; nothing here depends on what it says.
text() { for page in DESIGN.md chapter.md manual/files.md; do head -c "$1" "$SOURCE_DIR/docs/$page"; done; }
text 2000 >book.txt
for name in text.txt train.txt part1.txt part2.txt valid.txt test.txt other.txt tinyshakespeare.txt; do text 900 >$name; done
gzip part2.txt

# NAME.NNN.command and NAME.NNN.note for each block. The first page is the README, whose training the others go on with.
number=0
blocks_of() {
    awk -v prefix="$WORK/blocks/$2" '
        function begin() { n++; file = sprintf("%s.%03d", prefix, n); print note >(file ".note"); inside = 1 }
        /^<!-- .* -->$/ { note = $0; gsub(/^<!-- | -->$/, "", note); kept = NR; next }
        /^```/ { fenced = !fenced }
        fenced { next }
        /^    [^ ]/ && !inside && before == "" { if (kept != NR - 1 && kept != NR - 2) note = ""; begin() }
        /^    / && inside { print substr($0, 5) >(file ".command") }
        !/^    / { if (inside) note = ""; inside = 0 }
        { before = $0 }' "$1"
}
for page in "$SOURCE_DIR"/README.md "$SOURCE_DIR"/docs/manual/{installation,training,evaluation,sampling,runs,corpora,files,metrics,jobs,ranks,gpu-ranks,gpu,pytorch,library}.md "$SOURCE_DIR"/docs/recipes.md; do
    number=$((number + 1))
    must "$(basename "$page") is there" test -s "$page"
    blocks_of "$page" "$(printf '%02d.%s' $number "$(basename "$page" .md)")"
done
pages=$(find "$SOURCE_DIR/docs/manual" -name '*.md' | wc -l)
must "every page of the manual is read" test "$pages" = $((number - 2))

ran=0
for command in "$WORK"/blocks/*.command; do
    block=${command%.command}
    note=$(cat "$block.note")
    name="$(basename "$block"): $(head -n 1 "$command" | cut -c 1-80)"
    case $note in
    output) continue ;;
    "not run: "*) skip "$name" "${note#not run: }"; continue ;;
    "") ;;
    *) fail "$name" "the comment before it is not known: $note"; continue ;;
    esac
    case $(basename "$block") in *.training.001) rm -rf runs/book ;; esac # the README has trained there
    bash -e "$command" </dev/null >"$OUT" 2>"$ERR"
    status=$?
    export status
    ran=$((ran + 1))
    done_with "$name" 0
done
must "at least ten blocks ran" test $ran -ge 10
finish
