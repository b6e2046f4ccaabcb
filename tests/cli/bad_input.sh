#!/usr/bin/env bash
# Files that are missing, empty, too short, damaged, foreign or not readable; memory and disks that are not there.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
tiny_model model
tiny_model letters --level char --normalise letters
M=model/best.safetensors

# ---- texts
: >empty.txt
printf a >one.txt
printf 'ab' >two.txt
mkdir folder
for command in "train --run new --data" "tokenize --data" "eval --model $M --data"; do
    # shellcheck disable=SC2086
    {
    refuses "${command%% *}: a missing file is named" 2 'none.txt: No such file' $command none.txt
    refuses "${command%% *}: an empty file is refused" 2 'empty.txt' $command empty.txt
    refuses "${command%% *}: a folder is refused" 2 'folder: ' $command folder
    }
done
refuses "train: one token is too few" 2 'one.txt' train --run new --data one.txt
refuses "train: a text too short for its streams says how many fit" 2 '' train --run new --data two.txt --batch 32 --split 1,0,0
refuses "eval: one token is too few" 2 'one.txt' eval --model $M --data one.txt
refuses "train: an empty validation text is refused" 2 'empty.txt' train --run new --data text.txt --valid empty.txt
refuses "train: a missing test text is named" 2 'none.txt' train --run new --data text.txt --test none.txt
refuses_with empty.txt "eval: empty standard input is refused" 2 'standard input|^perplex: -' eval --model $M --data -
refuses_with empty.txt "eval --lines: empty standard input is refused" 2 'standard input' eval --model $M --lines --data -

cp text.txt secret.txt
chmod 000 secret.txt
if [ "$(id -u)" != 0 ]; then
    refuses "a file without permission is named" 2 'secret.txt: Permission denied' tokenize --data secret.txt
elif cp "$PERPLEX" "$WORK/program" && chmod 755 "$WORK/program" && setpriv --reuid=65534 --regid=65534 --clear-groups "$WORK/program" --version >/dev/null 2>&1; then
    setpriv --reuid=65534 --regid=65534 --clear-groups "$WORK/program" tokenize --data secret.txt >"$OUT" 2>"$ERR" </dev/null
    status=$?
    must "a file without permission is named" grep -q '^perplex: secret.txt: Permission denied' "$ERR"
    done_with "a file without permission is status 2" 2
else skip "a file without permission" "root reads everything, and setpriv is not to be had"; fi
rm -f secret.txt

# ---- UTF-8
printf 'plain words here\nand \xff there\nmore text to read\n' >broken.txt
refuses "invalid UTF-8 gives the byte offset" 2 'broken.txt: byte 21.*(UTF-8|replace)' tokenize --level char --data broken.txt
refuses "invalid UTF-8 stops a training" 2 'broken.txt: byte 21' train --run new --level char --data broken.txt
run tokenize --level char --invalid replace --data broken.txt --json
done_with "--invalid replace reads on" 0
must "--invalid replace counts one character for the bad byte" test "$(json tokens)" = 47
run tokenize --level byte --data broken.txt --json
must "bytes are read as they are" test "$(json tokens)" = 47
refuses "invalid UTF-8 stops an evaluation" 2 'byte 21' eval --model letters --data broken.txt

# ---- levels and vocabularies
run tokenize --data text.txt --level word --out words.tok
done_with "a token file can be made" 0
refuses "a token file of another level is refused by eval" 2 'words.tok' eval --model $M --data words.tok
refuses "a validation file of another level is refused by train" 2 'words.tok' train --run new --data text.txt --valid words.tok

# ---- checkpoints
size=$(stat -c %s $M)
for bytes in 0 7 8 100 $((size / 2)) $((size - 1)); do
    head -c "$bytes" $M >cut.safetensors
    refuses "a checkpoint cut to $bytes bytes is refused" 2 'cut.safetensors' info cut.safetensors
    refuses "no text is made by a checkpoint cut to $bytes bytes" 2 'cut.safetensors' sample --model cut.safetensors --length 5
done
rm -f cut.safetensors
for share in 1 20 50 80 99; do
    cp $M altered.safetensors
    at=$((size * share / 100))
    old=$(od -An -tu1 -j $at -N 1 $M)
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $((old ^ 64)))" | dd of=altered.safetensors bs=1 seek=$at conv=notrunc status=none
    refuses "a checkpoint with one byte altered at $share % is refused" 2 'altered.safetensors' eval --model altered.safetensors --data text.txt
done
rm -f altered.safetensors
printf 'longer' | cat $M - >longer.safetensors
refuses "a checkpoint with bytes after its end is refused" 2 'longer.safetensors' info longer.safetensors
rm -f longer.safetensors
printf '\x40\0\0\0\0\0\0\0%-64s%s' '{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' 'abcdefgh' >foreign.safetensors
refuses "another program's safetensors file is refused" 2 'foreign.safetensors' info foreign.safetensors
refuses "another program's safetensors file makes no text" 2 'foreign.safetensors' sample --model foreign.safetensors
printf '\377\377\377\377\377\377\0\0{' >huge.safetensors
refuses "a header length beyond the file is refused" 2 'huge.safetensors' sample --model huge.safetensors
refuses "a text is no model" 2 'text.txt' sample --model text.txt
refuses "a folder without a model is named" 2 'folder' sample --model folder
refuses "a missing model is named" 2 'none: ' eval --model none --data text.txt
refuses "a folder without a run cannot be resumed" 2 'folder' train --resume folder
refuses "a missing folder cannot be resumed" 2 'none' train --resume none

# ---- token files
size=$(stat -c %s words.tok)
for bytes in 9 40 $((size / 2)) $((size - 1)); do
    head -c "$bytes" words.tok >cut.tok
    refuses "a token file cut to $bytes bytes is refused" 2 'cut.tok' info cut.tok
done
for share in 0 5 50 99; do
    cp words.tok altered.tok
    at=$((size * share / 100))
    old=$(od -An -tu1 -j $at -N 1 words.tok)
    # shellcheck disable=SC2059
    printf "$(printf '\\%03o' $((old ^ 64)))" | dd of=altered.tok bs=1 seek=$at conv=notrunc status=none
    refuses "a token file with one byte altered at $share % is refused" 2 'altered.tok' info altered.tok
done
rm -f altered.tok cut.tok
refuses "a text is no token file" 2 'text.txt' info text.txt

# ---- runs
refuses "an existing run is not overwritten" 2 'model' train --data text.txt --run model
refuses "a run cannot be a file" 2 'text.txt' train --data text.txt --run text.txt
refuses "a resumed run may not change its model" 2 '--hidden' train --resume model --hidden 25
refuses "a resumed run may not change its learning rate" 2 '--lr' train --resume model --lr 0.5
refuses "an unknown device is named" 2 'abacus' train --data text.txt --run new --device abacus
cp text.txt kept.txt
printf 'other text\n' >>text.txt
refuses "a run whose text has changed cannot be resumed" 2 'text' train --resume model --max-steps 200
mv kept.txt text.txt

# ---- memory and disk
refuses "memory that is not there is refused before anything is computed" 1 'memory|[GT]B' train --data text.txt --run new --hidden 65536 --layers 16 --batch 1024 --steps 512 --split 1,0,0
if [ "${PERPLEX_SANITIZED:-0}" = 0 ]; then
    (ulimit -f 240 && "$PERPLEX" train --data text.txt --run full "${TINY[@]}" --hidden 200 >"$OUT" 2>"$ERR" </dev/null)
    status=$?
    done_with "a disk that fills up is status 1" 1
    must "a disk that fills up is said in one line" grep -qE '^perplex: full/.*(File too large|No space)' "$ERR"
    must "a run that could not be begun leaves nothing" test ! -e full
    (ulimit -f 8 && "$PERPLEX" tokenize --data text.txt --out big.tok >"$OUT" 2>"$ERR" </dev/null)
    status=$?
    done_with "a token file on a full disk is status 1" 1
    must "a token file on a full disk is not there half" test -z "$(ls big.tok* 2>/dev/null)"
    (ulimit -f 8 && "$PERPLEX" eval --model $M --data text.txt --per-token big.tsv >"$OUT" 2>"$ERR" </dev/null)
    status=$?
    done_with "--per-token on a full disk is status 1" 1
    must "--per-token on a full disk leaves nothing" test -z "$(ls big.tsv* 2>/dev/null)"
fi
refuses "--out into a missing folder is refused" 1 'none/x.tok' tokenize --data text.txt --out none/x.tok
refuses "--out into a device is refused" 2 '/dev/null' tokenize --data text.txt --out /dev/null
refuses "--per-token into a folder is refused" 2 'folder' eval --model $M --data text.txt --per-token folder

# ---- prompts
refuses "a prompt character that the vocabulary lacks is named" 2 "'Z'" sample --model model --prompt 'the Zebra'
refuses "a missing prompt file is named" 2 'none.txt' sample --model model --prompt-file none.txt
finish
