#!/usr/bin/env bash
# perplex import and export: a model of torch.nn.RNN has the loss that loops of its own give; what was exported comes back as it
# was; everything foreign is refused with its name.
#     exchange.sh PERPLEX JSON_GET FOREIGN_MODEL
FOREIGN=$3
. "$(dirname "$0")/../cli/lib.sh"

# a text of the letters c to z and spaces, on one line; tokens as foreign_model numbers them
awk 'BEGIN { s = 99; for (i = 0; i < 1500; i++) { s = (s * 1103 + 12347) % 65521; printf "%s", s % 5 == 0 ? " " : sprintf("%c", 99 + s % 24) } }' >text.txt
{ printf ' \n<unk>\n'; printf '%s\n' {c..z}; } >list.txt
{ printf '[" ", "<unk>"'; printf ', "%s"' {c..z}; printf ']'; } >list.json
{ printf '{"<unk>": 1, " ": 0'; i=2; for c in {c..z}; do printf ', "%s": %d' "$c" $i; i=$((i + 1)); done; printf '}\n'; } >object.json

# agrees NAME LIST FLAGS-OF-IMPORT -- SETTINGS...
agrees() {
    local name=$1 list=$2 flags=() loss
    shift 2
    while [ "$1" != -- ]; do flags+=("$1"); shift; done
    shift
    loss=$("$FOREIGN" foreign.safetensors text.txt "$@")
    run import foreign.safetensors --out imported.safetensors --vocab "$list" "${flags[@]}"
    if [ "$status" != 0 ]; then fail "$name: imported"; return; fi
    run eval --model imported.safetensors --data text.txt --json
    must "$name: the loss is $loss" near "$(json loss)" "$loss" 1e-6
}
agrees "one-hot, text list" list.txt --
agrees "JSON list" list.json --
agrees "JSON object" object.json --
agrees "embedding, two layers, ReLU" list.txt --nonlinearity relu -- embed=5 layers=2 relu hidden=9
agrees "three layers under a prefix" list.txt -- layers=3 prefix=model.
agrees "nested prefixes" list.txt -- embed=5 prefix=_orig_mod.module.
agrees "tied" list.txt -- embed=7 tied
agrees "tied, the table under the decoder's name" list.txt -- embed=7 tied alias
agrees "tied with a projection" list.txt -- embed=5 hidden=9 tied
agrees "a GRU" list.txt -- gru
agrees "a GRU, two layers, embedding" list.txt -- gru layers=2 embed=5 hidden=9
agrees "an LSTM" list.txt --cell lstm -- lstm
agrees "an LSTM, two layers, tied with a projection" list.txt -- lstm layers=2 embed=5 hidden=9 tied
agrees "a GRU without biases" list.txt -- gru nobias
agrees "without biases" list.txt -- nobias nodecoderbias
for dtype in F16 BF16 F64; do agrees "$dtype" list.txt -- dtype=$dtype embed=5; done

# ---- bytes; ids of the file that are not ours
"$FOREIGN" bytes.safetensors text.txt vocab=256 >loss
run import bytes.safetensors --out bytes.model.safetensors --json
done_with "a model of 256 tokens is one of bytes" 0
must "an <unk> was added" test "$(json unknown_added)" = true
must "the vocabulary has one more" test "$(json vocabulary)" = 257
run eval --model bytes.model.safetensors --data text.txt --json
must "bytes: the loss is $(cat loss)" near "$(json loss)" "$(cat loss)" 1e-6
run sample --model bytes.model.safetensors --length 300 --unk-ok --json
must "the added <unk> is never drawn" bash -c '! grep -q "\[0,\|,0,\|,0\]" "$1"' - "$OUT"
run import bytes.safetensors --out bytes2.safetensors --vocab bytes
must "--vocab bytes says the same" cmp bytes.model.safetensors bytes2.safetensors

# ---- words, with names of their own for what is unknown and for line ends
printf 'cat dog\nbird cat\nfox\n' >words.txt
printf '</s>\ncat\ndog\n[UNK]\nbird\n' >words.list
"$FOREIGN" words.safetensors text.txt vocab=5 >/dev/null
run import words.safetensors --out words.model.safetensors --vocab words.list --eos '</s>' --unk '[UNK]' --level word
done_with "a list names its own <unk> and line end" 0
run eval --model words.model.safetensors --data words.txt --json
must "a word that the list lacks is unknown" test "$(json unknown)" = 1
must "line ends are tokens" test "$(json tokens)" = 7
printf '<pad>\n \n<unk>\na\nb\n' >padded.list
run import words.safetensors --out padded.safetensors --vocab padded.list --json
must "a <pad> among characters gets a private one" test "$(json placeholders)" = 1

# ---- what was exported comes back as it was
for flags in '--level byte' '--level char --embed 8 --tied' '--level word --layers 2 --embed 6' '--level word --cell gru --layers 2' '--level char --cell lstm --embed 6' '--level char --normalise letters --nonlinearity relu --init-recurrent same'; do
    rm -rf run
    # shellcheck disable=SC2086
    tiny_model run $flags
    rm -rf out
    run export --model run --out out --json
    done_with "exported: $flags" 0
    must "the card has the run's result" near "$("$JSON_GET" out/model.json results.training.valid_loss_zero)" "$("$JSON_GET" out/model.json results.valid_loss)" 0.1
    must "the card has a hash of the texts" test "$("$JSON_GET" out/model.json corpus.hash | wc -c)" = 17
    cell=$("$JSON_GET" out/model.json settings.cell)
    # a GRU's second bias too: [3 h] in the file, of which h are parameters
    for tensor in rnn.weight_hh_l0 decoder.bias $([ "$cell" != gru ] || echo rnn.bias_hh_l0); do
        held=$(head -c 4000 out/model.safetensors | grep -ao "\"$tensor\":{[^}]*}" | grep -o '"shape":\[[0-9,]*\]')
        must "the card has the file's shape of $tensor" grep -qF "\"name\":\"$tensor\",$held" <(tr -d ' \n\t' <out/model.json)
        must "... and it is one" test -n "$held"
    done
    run import out/model.safetensors --out back.safetensors --vocab out/model.json --cell "$cell"
    done_with "and imported again" 0
    run eval --model run --data text.txt --per-token a
    run eval --model back.safetensors --data text.txt --per-token b
    must "every token has the same log-probability" cmp a b
    run info back.safetensors --json
    hash=$(json vocabulary.hash)
    run info run --json
    must "the vocabulary is the same" test "$hash" = "$(json vocabulary.hash)"
    run import out/model.safetensors --out again.safetensors --vocab run --cell "$cell"
    must "a model is a list too" cmp back.safetensors again.safetensors
done
refuses "a folder of an export is said to be one" 2 'out: holds weights.*perplex import out/model.safetensors --vocab out/model.json' eval --model out --data text.txt
run export --model run --out named.safetensors
must "a name may be given instead of a folder" test -s named.safetensors -a -s named.json
must "the exported file holds weights only" bash -c '! grep -qa "state\.\|perplex\.config" named.safetensors'
refuses "a model is not replaced by its own export" 2 "is read here" export --model back.safetensors --out back.safetensors
refuses "export without a model" 2 "no model" export --out x
refuses "export to nowhere" 2 "nowhere to write" export --model run
refuses "export over a file" 2 "a file is there" export --model run --out text.txt
refuses "an export is no model" 2 "perplex export.*perplex import" eval --model named.safetensors --data text.txt

# ---- what is refused
# foreign SETTINGS... writes foreign.safetensors
foreign() { "$FOREIGN" foreign.safetensors text.txt "$@" >/dev/null; }
# not_imported NAME PATTERN FLAGS...
not_imported() {
    local name=$1 pattern=$2
    shift 2
    rm -f imported.safetensors
    refuses "$name" 2 "$pattern" import foreign.safetensors --out imported.safetensors "$@"
}
foreign lstm; not_imported "an LSTM as something else" "holds an nn.LSTM; leave --cell away" --vocab list.txt --cell relu
foreign; not_imported "an RNN as something else" "holds an nn.RNN; give tanh or relu" --vocab list.txt --cell gru
foreign wrong=rnn.weight_hh_l0; not_imported "no cell has so many rows" "rnn.weight_hh_l0.*nn.GRU or" --vocab list.txt
foreign reverse; not_imported "a bidirectional network" "bidirectional" --vocab list.txt
foreign extra; not_imported "a tensor that does not belong" "attention.weight does not belong" --vocab list.txt
foreign integer; not_imported "integers" "is I64" --vocab list.txt
foreign missing=rnn.weight_hh_l0; not_imported "no recurrent weights" "no tensor rnn.weight_hh_l0" --vocab list.txt
foreign missing=rnn.bias_hh_l0; not_imported "one bias of two" "rnn.bias_hh_l0 is missing" --vocab list.txt
foreign missing=rnn.weight_ih_l0; not_imported "no input weights" "rnn.weight_ih_l0 is missing" --vocab list.txt
foreign missing=decoder.weight; not_imported "no output layer" "decoder.weight is missing" --vocab list.txt
foreign embed=5 missing=encoder.weight; not_imported "no embedding" "there is no encoder.weight" --vocab list.txt
foreign embed=5 tied missing=proj.weight; not_imported "no projection" "proj.weight \[5,7\] is missing" --vocab list.txt
foreign wrong=decoder.bias; not_imported "a wrong shape" "decoder.bias has shape \[25\]; \[26\] is needed" --vocab list.txt
foreign layers=2 wrong=rnn.weight_ih_l1; not_imported "a wrong shape above" "rnn.weight_ih_l1 has shape \[6,7\]; \[7,7\]" --vocab list.txt
foreign layers=17; not_imported "too many layers" "more than 16 layers" --vocab list.txt
foreign; not_imported "no list" "26 tokens, whose texts.*--vocab"
not_imported "a list of another size" "256 tokens, but the model.*has 26" --vocab bytes
not_imported "a list that is missing" "none.txt" --vocab none.txt
refuses "no --out" 2 "nowhere to write" import foreign.safetensors --vocab list.txt
refuses "no file" 2 "of what" import --out x.safetensors
not_imported "an unknown <unk>" "has no such token" --vocab list.txt --unk '[UNK]'
not_imported "--eos among characters" "only at the level of words" --vocab list.txt --eos z
{ cat list.txt | head -n 25; echo c; } >twice.txt; not_imported "a token twice" "stands here again" --vocab twice.txt
{ head -n 25 list.txt; echo; } >empty.txt; not_imported "an empty token" "empty token.*JSON" --vocab empty.txt
sed 's/"z": 25/"z": 24/' object.json >double.json; not_imported "an id twice" "belongs to two tokens" --vocab double.json
sed 's/"z": 25/"z": 26/' object.json >gap.json; not_imported "an id too high" "has no id from 0 to 25" --vocab gap.json
echo '{"vocabulary": {"size": 3}}' >card.json; not_imported "a card without tokens" "no list of tokens" --vocab card.json
foreign prefix=a.; cp foreign.safetensors other; refuses "a model of perplex" 2 "already a model of perplex" import back.safetensors --out x.safetensors --vocab list.txt
head -c 500 other >cut.safetensors; refuses "a file cut short" 2 "cut.safetensors" import cut.safetensors --out x.safetensors --vocab list.txt
echo '{}' >foreign.safetensors; not_imported "no safetensors at all" "safetensors" --vocab list.txt
foreign; sed -i 's/rnn\.weight/lay\.weight/g; s/rnn\.bias/lay\.bias/g' foreign.safetensors; not_imported "another name" "name the module with --rnn" --vocab list.txt
run import foreign.safetensors --out imported.safetensors --vocab list.txt --rnn lay
done_with "and with --rnn it is found" 0
finish
