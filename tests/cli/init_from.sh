#!/usr/bin/env bash
# A new run from the weights of another model: --init-from, --init-moments, --vocabulary-from.
. "$(dirname "$0")/lib.sh"
make_text text.txt 1500
make_text text-begin.txt 400
tr 'aeiot' 'eiota' <text-begin.txt >other.txt # of the same bytes, with words that the model does not know
tiny_model base --embed 12 --layers 2 --cell gru
loss_of() { run eval --model "$1" --data "$2" --json; json loss; }
STILL=(--batch 4 --steps 16 --max-steps 1 --lr 1e-12 --warmup-steps 0 --schedule constant --threads 1)

# ---- the weights are the model's, and so are its sizes
run train --init-from base --data other.txt --run still "${STILL[@]}"
done_with "a run can begin from a model, on another text" 0
must "its sizes and cell are the model's" test "$(grep -cxE 'hidden = 24|embed = 12|layers = 2|cell = gru' still/config)" = 4
must "a rate of nearly nothing leaves it the model" near "$(loss_of still other.txt)" "$(loss_of base other.txt)" 1e-6

fingerprint=$(head -c 200 base/best.safetensors | grep -aoE '"perplex.checksum":"[0-9a-f]{32}"' | grep -oE '[0-9a-f]{32}')
must "config says where they are from" grep -qx "init-from = $PWD/base" still/config
must "and gives the file's fingerprint" grep -qx "init-fingerprint = $fingerprint" still/config
run train --init-from base --data other.txt --dry-run --json
must "--dry-run knows the model's size" test "$(json parameters)" = 7165

# ---- a run from a model is resumed without it, to the same bits
cp -r base gone
GOING=(--data other.txt --max-steps 60 --batch 8 --steps 16 --log-every 5 --valid-every 20 --dropout 0.1 --threads 1)
run train --init-from gone --run whole "${GOING[@]}"
done_with "a run from a model learns" 0
must "the other text too" less "$(loss_of whole other.txt)" "$(loss_of base other.txt)"
held 'step 20: validation' 'kill -INT $HELD' train --init-from gone --run parts "${GOING[@]}"
done_with "it can be stopped" 75
rm -rf gone
run train --resume parts
done_with "and resumed where the model is gone" 0
must "weights, moments and states are those of the run that was never stopped" same_tensors parts/last.safetensors whole/last.safetensors
must "so is its best model" same_tensors parts/best.safetensors whole/best.safetensors
must "and its metrics" same_metrics parts/metrics.jsonl whole/metrics.jsonl
held 'step 20: validation' 'kill -INT $HELD' train --init-from base --run again "${GOING[@]}"
mv base elsewhere
run train --init-from base --run again "${GOING[@]}" --resume auto
done_with "--resume auto with the same command goes on where the model is gone" 0
mv elsewhere base
must "to the same bits" same_tensors again/last.safetensors whole/last.safetensors
refuses "a resumed run cannot change its origin" 2 '--init-from .*cannot change' train --resume parts --init-from text.txt
run train --config whole/config --run repeated --init-from base
done_with "a run's config repeats it" 0
must "with the same bits" same_tensors repeated/last.safetensors whole/last.safetensors
tiny_model base2 --embed 12 --layers 2 --cell gru --seed 2
refuses "but not from another model" 2 '--init-fingerprint [0-9a-f]{32}: base2/best.safetensors has' train --config whole/config --run no --init-from base2
run eval --split-of whole valid --json
done_with "its validation text is found again, with the model's vocabulary" 0
run ngram --order 3 --split-of whole valid --json
must "n-grams of it have that vocabulary" test "$(json vocabulary)" = 25

# ---- moments: two runs, the second with the moments of the first, are one run twice as long. Here an epoch is one window from a zero
# state, so that every step of both sees the same
head -c 65 text.txt >window.txt
WINDOW=(--data window.txt --split 1,0,0 --hidden 8 --batch 8 --steps 8 --schedule constant --warmup-steps 0 --lr 0.01 --threads 1 --reset-probability 0)
for optimizer in adam rmsprop; do
    run train "${WINDOW[@]}" --optimizer $optimizer --max-steps 10 --run "$optimizer-10"
    run train "${WINDOW[@]}" --optimizer $optimizer --max-steps 20 --run "$optimizer-20"
    run train "${WINDOW[@]}" --optimizer $optimizer --max-steps 10 --run "$optimizer-2x10" --init-from "$optimizer-10" --init-moments
    must "$optimizer: moments that come along make one run of two" same_tensors "$optimizer-2x10/last.safetensors" "$optimizer-20/last.safetensors"
    run train "${WINDOW[@]}" --optimizer $optimizer --max-steps 10 --run "$optimizer-without" --init-from "$optimizer-10"
    must "$optimizer: without them it is another" bash -c '! cmp -s "$1" "$2"' - <(tensors "$optimizer-without/last.safetensors") <(tensors "$optimizer-20/last.safetensors")
done
run train "${WINDOW[@]}" --optimizer adamw --max-steps 1 --run adamw --init-from adam-10/last.safetensors --init-moments
done_with "AdamW takes Adam's moments" 0
refuses "RMSProp does not" 2 'moments of --optimizer adam' train "${WINDOW[@]}" --optimizer rmsprop --max-steps 1 --run no --init-from adam-10 --init-moments
refuses "SGD has none" 2 '--optimizer sgd has no moments' train "${WINDOW[@]}" --optimizer sgd --max-steps 1 --run no --init-from adam-10 --init-moments
refuses "a best model has none" 2 'holds weights alone; name the last' train "${WINDOW[@]}" --max-steps 1 --run no --init-from adam-10/best.safetensors --init-moments
refuses "moments of no model" 2 'whose moments' train "${WINDOW[@]}" --max-steps 1 --run no --init-moments

# ---- another vocabulary: entries by name. The reversed text has the same words with other frequencies, so other ids
awk 'BEGIN { split("one two two three three three four four four four", w, " "); for (i = 0; i < 3000; i++) printf "%s%s", w[i * 7 % 10 + 1], i % 9 == 8 ? "\n" : " " }' >words.txt
awk 'BEGIN { split("one one one one two two two three three four", w, " "); for (i = 0; i < 3000; i++) printf "%s%s", w[i * 7 % 10 + 1], i % 9 == 8 ? "\n" : " " }' >permuted.txt
sed 's/two/five/g; s/three/six/g' words.txt >renamed.txt
hash_of() { run info "$1" --json; json vocabulary.hash; }
run train --data permuted.txt --level word --hidden 8 --run permuted "${STILL[@]}"
# log-probability of each word, <unk> aside
per_token() { run eval --model "$1" --data words.txt --per-token - && grep -v '<unk>' "$OUT"; }
close_tokens() { paste "$1" "$2" | awk '$1 != $3 || $2 - $4 > 1e-5 || $4 - $2 > 1e-5 { bad = 1 } END { exit bad || NR < 1000 }'; }
for shape in "--embed 0" "--embed 6 --tied" "--embed 6"; do
    rm -rf words words-permuted words-renamed
    # shellcheck disable=SC2086
    run train --data words.txt --level word $shape --hidden 10 --batch 8 --steps 10 --max-steps 200 --lr 0.01 --threads 1 --run words
    run train --init-from words --data permuted.txt --vocabulary-from text --run words-permuted "${STILL[@]}"
    done_with "$shape: a run takes the text's vocabulary" 0
    must "the very one that it makes" test "$(hash_of words-permuted)" = "$(hash_of permuted)"
    per_token words >"$WORK/a"
    per_token words-permuted >"$WORK/b"
    must "and every word's probability as the model has it" close_tokens "$WORK/a" "$WORK/b"
    run train --init-from words --data renamed.txt --vocabulary-from text --run words-renamed "${STILL[@]}"
    must "what is new and what is dropped is counted" grep -q '^vocabulary: 4 entries of the model kept, 2 new, 2 dropped$' "$OUT"
    run train --init-from words --data permuted.txt --run kept "${STILL[@]}"
    must "without --vocabulary-from text the ids are the model's" test "$(hash_of kept)" = "$(hash_of words)"
    rm -rf kept
done

# ---- an imported model
run export --model words --out exported.safetensors
run import exported.safetensors --vocab exported.json --out imported.safetensors
run train --init-from imported.safetensors --data words.txt --run from-imported "${STILL[@]}"
done_with "a run can begin from an imported model" 0
must "which it then is" near "$(loss_of from-imported words.txt)" "$(loss_of words words.txt)" 1e-6
# an entry of probability 0 has no gradient: it begins anew. That of <unk> in a constructed model is one
run construct --automaton even --out even.safetensors
printf 'ababbaabczab%.0s' {1..200} >letters.txt
run train --init-from even.safetensors --data letters.txt --run learns --max-steps 50 --batch 4 --steps 10 --lr 0.01 --threads 1
done_with "what a model holds impossible can be learned" 0
must "and is counted as new" grep -qx "vocabulary: 2 entries of the model kept, 1 new, 0 dropped" "$OUT"
must "to a finite loss" is_number "$(loss_of learns letters.txt)"

# ---- what contradicts the model is refused by name
refuses "another width" 2 '--hidden 25: base/best.safetensors, .*has 24; leave --hidden out' train --init-from base --data other.txt --run no --hidden 25
refuses "another cell" 2 '--cell lstm: .* has gru' train --init-from base --data other.txt --run no --cell lstm
refuses "another level" 2 '--level word: .* has byte' train --init-from base --data other.txt --run no --level word
refuses "another vocabulary" 2 '--max-vocab: .*--vocabulary-from text' train --init-from words --data words.txt --run no --max-vocab 3
refuses "no such model" 2 'nowhere' train --init-from nowhere --data other.txt --run no
refuses "a folder without a model" 2 'a folder without best' train --init-from "$WORK/here" --data other.txt --run no
refuses "a text as a model" 2 'other.txt' train --init-from other.txt --data other.txt --run no
printf 'vocabulary-from = model\n' >settings
run tokenize --config settings --data other.txt --json
done_with "a training's config does not name a text for tokenize --vocabulary-from" 0
finish
