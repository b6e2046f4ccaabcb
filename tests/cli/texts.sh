#!/usr/bin/env bash
# Files of people: byte order marks, other encodings, compressed files, several files, flags given twice.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
head -n 700 text.txt >first.txt
tail -n +701 text.txt >second.txt
MARK='\xef\xbb\xbf'
tiny_model words --level word --embed 8
tiny_model chars --level char
tiny_model bytes

# ---- a byte order mark
{ printf "$MARK"; cat second.txt; } >marked.txt
bytes=$(stat -c %s second.txt)
for level in char word; do
    run tokenize --data second.txt --level $level --json
    plain=$(cat "$OUT")
    run tokenize --data marked.txt --level $level --json
    must "$level: a byte order mark is no part of the text" test "${plain/second/marked}" = "$(cat "$OUT")"
    must "$level: which is said once" test "$(grep -c '^note: marked.txt: the byte order mark' "$ERR")" = 1
done
run tokenize --data marked.txt --level byte --json
must "byte: it is three bytes" test "$(json tokens)" = $((bytes + 3))
run train --data marked.txt --run marked "${TINY[@]}" --level char
must "a training says it once, report and all" test "$(grep -c 'byte order mark' "$ERR")" = 1
for model in words chars; do
    run eval --model $model --data second.txt --json
    loss=$(json loss)
    run eval --model $model --data marked.txt --json
    must "$model: a marked text has the same loss" test "$(json loss)" = "$loss"
    run eval --model $model --lines --data second.txt
    cp "$OUT" lines
    run eval --model $model --lines --data marked.txt
    must "$model: and its lines the same scores" cmp lines "$OUT"
done
printf "${MARK}the king" >prompt.txt
run sample --model chars --prompt-file prompt.txt --length 5
done_with "a prompt's byte order mark is left out" 0

# ---- other encodings
for encoding in UTF-16 UTF-16LE UTF-16BE UTF-32 UTF-32LE UTF-32BE; do
    iconv -f UTF-8 -t $encoding second.txt >wide.txt
    pattern=${encoding%[LB]E}
    refuses "$encoding is named" 2 "wide.txt: $pattern[LB]E, and UTF-8 is needed.*iconv -f $pattern[LB]E" tokenize --data wide.txt --level char
    refuses "$encoding is named by --lines" 2 "wide.txt: $pattern" eval --model words --lines --data wide.txt
done
refuses "by train" 2 "wide.txt: UTF-32BE" train --data wide.txt --level word --run new
refuses "by eval" 2 "wide.txt: UTF-32BE" eval --model chars --data wide.txt
refuses "by a prompt" 2 "wide.txt: UTF-32BE" sample --model chars --prompt-file wide.txt
run tokenize --data wide.txt --level byte --json
must "bytes are read as they are" test "$(json tokens)" = "$(stat -c %s wide.txt)"
must "with a note" grep -q '^note: wide.txt: UTF-32BE' "$ERR"

# ---- compressed files
# packed KIND PROGRAM FLAGS: second.txt.KIND is read as second.txt
packed() {
    local kind=$1 file=second.txt.$1
    shift
    if ! command -v "$1" >/dev/null; then skip "texts compressed as .$kind" "there is no $1"; return; fi
    "$@" <second.txt >"$file"
    run tokenize --data "$file" --level word --json
    if grep -q 'was built without' "$ERR"; then
        done_with ".$kind: a build that cannot read it says so" 2
        return
    fi
    must ".$kind: has the tokens of the text" test "$(json tokens)" = $(($(wc -w <second.txt) + $(wc -l <second.txt)))
    must ".$kind: and its bytes" test "$(json text_bytes)" = "$bytes"
    run eval --model words --data second.txt --json
    loss=$(json loss)
    run eval --model words --data "$file" --json
    must ".$kind: eval" test "$(json loss)" = "$loss"
    run_with "$file" eval --model words --data - --json
    must ".$kind: from standard input" test "$(json loss)" = "$loss"
    run eval --model words --lines --data "$file"
    must ".$kind: eval --lines" cmp lines.words "$OUT"
    run_with "$file" eval --model words --lines --data -
    must ".$kind: eval --lines from standard input" cmp lines.words "$OUT"
    run train --data first.txt --valid "$file" --run "run.$kind" --hidden 8 --max-steps 2 --threads 1
    must ".$kind: validation text" test "$status" = 0
    cat "$file" "$file" >"twice.$kind"
    run tokenize --data "twice.$kind" --level byte --json
    must ".$kind: joined files are read to the end" test "$(json tokens)" = $((2 * bytes))
    head -c 2000 "$file" >"cut.$kind"
    refuses ".$kind: cut short" 2 "cut.$kind: cut short" tokenize --data "cut.$kind"
    { head -c 1500 "$file"; printf 'XXXXXXXXXXXX'; tail -c +1513 "$file"; } >"bad.$kind"
    refuses ".$kind: damaged" 2 "bad.$kind: (damaged|cut short)" tokenize --data "bad.$kind"
    head -c 4000000 /dev/zero | tr '\0' 'a' | "$@" >"long.$kind"
    run tokenize --data "long.$kind" --level char --json
    must ".$kind: 4 MB in few bytes" test "$(json tokens)" = 4000000
    { printf "$MARK"; cat second.txt; } | "$@" >"marked.$kind"
    run tokenize --data "marked.$kind" --level char --json
    must ".$kind: a byte order mark in it" test "$(json text_bytes)" = "$bytes"
    iconv -f UTF-8 -t UTF-16 second.txt | "$@" >"wide.$kind"
    refuses ".$kind: UTF-16 in it" 2 "wide.$kind: UTF-16LE" tokenize --level char --data "wide.$kind"
    run tokenize --data second.txt --out packed.tok
    "$@" <packed.tok >"packed.$kind"
    refuses ".$kind: a token file in it" 2 "packed.$kind: a token file, compressed" tokenize --data "packed.$kind"
}
run eval --model words --lines --data second.txt
cp "$OUT" lines.words
packed gz gzip -c
packed zst zstd -qc
for program in bzip2 xz lz4; do
    command -v $program >/dev/null || { skip "$program" "it is not here"; continue; }
    $program -c <second.txt >other 2>/dev/null
    refuses "what $program made is named" 2 "other: a compressed file.*$program -dc" tokenize --data other
done

# ---- several files
run tokenize --data text.txt --level word --json
whole=$(json tokens)
run tokenize --data first.txt second.txt --level word --json
must "two files are one text" test "$(json tokens)" = "$whole"
must "named by the first" test "$(json data)" = "first.txt and 1 more file"
run tokenize --data first.txt --level word --data second.txt --json
must "--data given twice adds up" test "$(json tokens)" = "$whole"
must "and nothing is noted" test ! -s "$ERR"
run train --data text.txt --run one "${TINY[@]}"
run train --data first.txt second.txt --run two "${TINY[@]}"
must "training on both halves is training on the whole" cmp <(tensors one/best.safetensors) <(tensors two/best.safetensors)
must "the configuration names both" grep -qE '^data = ".*/first.txt\\n.*/second.txt"' two/config
must "the report was made" test -s two/report.html
run train --config two/config --run three
must "and is read back" cmp <(tensors one/best.safetensors) <(tensors three/best.safetensors)
run eval --split-of two test --json
two=$(json loss)
run eval --split-of one test --json
must "parts of a run of two files" test "$(json loss)" = "$two"
mkdir moved && cp first.txt second.txt moved/
run train --resume two --max-steps 130 --data moved/first.txt moved/second.txt
done_with "a run of two files goes on with files that were moved" 0
mv second.txt second
refuses "a missing one is named" 2 'second.txt: no such file.*--data FILE ... \(all of them\)' train --resume three --max-steps 130
mv second second.txt
refuses "in another order it is another text" 2 'not the text' train --resume three --max-steps 130 --data second.txt first.txt
run train --data text.txt --valid first.txt second.txt --test second.txt first.txt --run parts --hidden 8 --max-steps 2 --threads 1
done_with "validation and test texts may be several too" 0
run eval --split-of parts test --json
must "with all their tokens" test "$(json tokens)" = $(($(stat -c %s text.txt) - 1))
run eval --model words --lines --data first.txt second.txt
cp "$OUT" both
run eval --model words --lines --data text.txt
must "lines of two files" cmp both "$OUT"
printf 'one two' >ends.txt
printf 'three' >begins.txt
run tokenize --level word --data ends.txt begins.txt --json
must "a word ends with its file" test "$(json tokens)" = 3
mkdir many
for i in $(seq 1 300); do printf 'file %d\n' "$i" >"many/$i"; done
(ulimit -n 100 && "$PERPLEX" tokenize --level word --data many/* --json >"$OUT" 2>"$ERR" </dev/null)
must "more files than may be open at once" test "$(json tokens)" = 900
run tokenize --data second.txt --out some.tok
refuses "a token file is none of several" 2 'some.tok: a token file among other files' tokenize --data first.txt some.tok
refuses "a file that is missing among several" 2 'none.txt: No such file' tokenize --data first.txt none.txt
refuses "an empty name among several" 2 'empty name' tokenize --data first.txt ''
refuses_with first.txt "standard input twice" 2 'standard input' train --data - --valid - --run new
cp first.txt $'odd\nname'
run tokenize --data $'odd\nname' --json
must "a line end in a name, alone" test "$(json tokens)" = "$(stat -c %s first.txt)"
refuses "a line end in a name, of several" 2 'line end in its name' tokenize --data first.txt $'odd\nname'

# ---- flags given twice
run tokenize --data first.txt --level word --level byte --json
must "the last one counts" test "$(json tokens)" = "$(stat -c %s first.txt)"
must "which is said" grep -qx 'note: --level: given more than once; the last one counts, byte' "$ERR"
run sample --model words --length 3 --length=4 --seed 1 --json --no-json
must "of flags that are no settings too" grep -qx 'note: --length: given more than once; the last one counts, 4' "$ERR"
must "a switch and its opposite" grep -qx 'note: --json and --no-json: the last one counts' "$ERR"
printf 'level = char\n' >level.config
run tokenize --data first.txt --config level.config --level word --json
must "a file's setting is overridden without a word" test ! -s "$ERR"
run eval --split-of one valid --split-of one test --json
must "pairs too" grep -q '^note: --split-of: given more than once' "$ERR"
# ---- archives
tar -cf many.tar first.txt second.txt
gzip -c many.tar >many.tgz
for file in many.tar many.tgz; do
    for level in byte char word; do
        refuses "$file, $level: an archive is no text" 2 "$file: an archive.*with tar" tokenize --data $file --level $level
    done
done
finish
