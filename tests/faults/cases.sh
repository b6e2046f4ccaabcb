# shellcheck shell=bash
# The commands that faults.sh runs: for each a function that sets args, and what it needs lying about, and one that prints its result without
# what differs from run to run. What must not be written over lies in given/.
TRAIN=(--hidden 8 --batch 4 --steps 8 --max-steps 8 --log-every 3 --checkpoint-every 3 --valid-every 4 --threads 1 --split 0.7,0.15,0.15 --lr 0.01 --keep 2)
CASES=(train resume resume_tokens eval eval_tokens lines per_token sample export import tokenize token_file ids average ensemble dynamic mixture prompt init_from extend top compare compare_json report runs inspect ngram info construct)

make_given() {
    mkdir given
    make_text given/text.txt 60
    head -n 5 given/text.txt >given/lines.txt
    "$PERPLEX" tokenize --data given/text.txt --out given/text.tok >/dev/null
    "$PERPLEX" train --data given/text.txt --run given/run "${TRAIN[@]}" >/dev/null
    "$PERPLEX" train --data given/text.txt --run given/half "${TRAIN[@]}" --max-steps 4 >/dev/null 2>&1
    "$PERPLEX" train --data given/text.tok --run given/half_tokens "${TRAIN[@]}" --max-steps 4 >/dev/null 2>&1
    "$PERPLEX" export --model given/run --out given/foreign >/dev/null
    cp "$1" given/bench.json
    printf '\0\0\1\0\2\0\1\0' >given/ids.bin
    printf '["a","b","c"]' >given/list.json
    printf 'the' >given/prompt.txt
    # where there is the tool, and the program was built to read what it makes
    gzip -c given/text.txt >given/text.gz 2>/dev/null && "$PERPLEX" tokenize --data given/text.gz >/dev/null 2>&1 && CASES+=(gzip)
    zstd -qc given/text.txt >given/text.zst 2>/dev/null && "$PERPLEX" tokenize --data given/text.zst >/dev/null 2>&1 && CASES+=(zstd)
}

standard_output() { sed -E 's/"seconds":[^,}]*//g; s/, [0-9.]+ (s|ms)\b//' "$OUT"; }
run_digest() {
    tensors new/best.safetensors | cksum
    tensors new/last.safetensors | cksum
    ls new | grep -vE '^(events|report|checkpoint)'
    without_times new/metrics.jsonl
}

case_train() { rm -rf new; args=(train --data given/text.txt --run new "${TRAIN[@]}"); }
digest_train() { run_digest; }
case_resume() { rm -rf new; cp -r given/half new; args=(train --resume new --max-steps 8); }
digest_resume() { run_digest; }
case_resume_tokens() { rm -rf new; cp -r given/half_tokens new; args=(train --resume new --max-steps 8); }
digest_resume_tokens() { run_digest; }
case_eval() { args=(eval --model given/run --data given/text.txt --json --threads 1); }
case_eval_tokens() { args=(eval --model given/half_tokens --data given/text.tok --json --threads 1); }
case_lines() { args=(eval --model given/run --data given/lines.txt --lines --json --threads 1); }
case_per_token() { rm -f made.tsv; args=(eval --model given/run --data given/lines.txt --per-token made.tsv --json --threads 1); }
digest_per_token() { standard_output; cat made.tsv; }
case_sample() { args=(sample --model given/run --length 20 --count 2 --json --threads 1); }
case_export() { rm -rf made; args=(export --model given/run --out made --json); }
digest_export() { standard_output; cat made/model.json; cksum made/model.safetensors; }
case_import() { rm -f made.safetensors; args=(import given/foreign/model.safetensors --vocab given/foreign/model.json --out made.safetensors --json); }
digest_import() { standard_output; tensors made.safetensors | cksum; }
case_gzip() { args=(eval --model given/run --data given/text.gz --json --threads 1); }
case_zstd() { args=(eval --model given/run --data given/text.zst --json --threads 1); }
case_tokenize() { args=(tokenize --data given/text.txt --level word --json); }
case_token_file() { rm -f made.tok; args=(tokenize --data given/text.txt --level word --out made.tok); }
digest_token_file() { standard_output; cksum made.tok; }
case_ids() { rm -f made.tok; args=(tokenize --ids given/ids.bin --tokens given/list.json --out made.tok); }
digest_ids() { standard_output; cksum made.tok; }
case_average() { rm -f made.safetensors; args=(average given/run given/half --out made.safetensors --json); }
digest_average() { standard_output; tensors made.safetensors | cksum; }
case_ensemble() { rm -f made.tsv; args=(eval --model given/run given/half --data given/lines.txt --per-token made.tsv --json --threads 1); }
digest_ensemble() { standard_output; cat made.tsv; }
case_dynamic() { args=(eval --model given/run --data given/lines.txt --dynamic auto --valid given/lines.txt --json --threads 1); }
case_mixture() { args=(ngram --split-of given/run test --model given/run --order 2 --json --threads 1); }
case_prompt() { args=(sample --model given/run --prompt-file given/prompt.txt --length 20 --threads 1); }
case_init_from() { rm -rf new; args=(train --data given/text.txt --run new --init-from given/run --max-steps 4 --valid-every 2 --batch 4 --steps 8 --threads 1 --no-report); }
digest_init_from() { run_digest; }
case_extend() { rm -rf new; cp -r given/half new; args=(train --resume new --extend-steps 4); }
digest_extend() { run_digest; }
case_top() { args=(top given); }
case_compare() { args=(bench --compare given/bench.json given/bench.json); }
case_compare_json() { args=(bench --json --compare given/bench.json given/bench.json); }
case_report() { rm -f made.html; args=(report given/run --out made.html --threads 1); }
digest_report() { cat made.html; }
case_runs() { args=(runs given --json); }
case_inspect() { args=(inspect --model given/run --data given/text.txt --json); }
case_ngram() { args=(ngram --data given/text.txt --json); }
case_info() { args=(info given/run --json); }
case_construct() { rm -f made.safetensors; args=(construct --automaton golden-mean --out made.safetensors --json); }
digest_construct() { standard_output; tensors made.safetensors | cksum; }
