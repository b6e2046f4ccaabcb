#!/usr/bin/env bash
# A network constructed from an automaton is exact: perplexity 1 on a language without choice, else the code length of the very
# text under its source.
. "$(dirname "$0")/../cli/lib.sh"
SOURCE=$3

cat >story.txt <<'END'
# STATE SYMBOL PROBABILITY NEXT
begin the 2/3 noun
begin a 1/3 noun
noun king 1/2 verb
noun queen 1/4 verb
noun child 1/4 verb
verb sees 3/4 object
verb sleeps 1/4 end
object the 1 seen
seen sea 1/2 end
seen city 1/2 end
end \n 1 begin
END

for nonlinearity in tanh relu; do
    for _ in $(seq 50); do printf 'one two one three two two '; done >cycle.txt
    printf '%s\n' '0 one 1 1' '1 two 1 2' '2 one 1 3' '3 three 1 4' '4 two 1 5' '5 two 1 0' >cycle.automaton
    run construct --automaton cycle.automaton --nonlinearity $nonlinearity --out cycle.safetensors
    done_with "$nonlinearity: a cycle with repeated words can be constructed" 0
    for device in cpu reference; do
        run eval --model cycle.safetensors --data cycle.txt --device $device --json
        must "$nonlinearity: perplexity is 1.000000 on its language ($device)" test "$(printf '%.6f' "$(json perplexity)")" = 1.000000
        must "$nonlinearity: every word after the first was scored ($device)" test "$(json tokens)" = 299
    done
    run sample --model cycle.safetensors --prompt 'one two one' --length 9 --seed 8
    must "$nonlinearity: it goes on with the cycle" test "$(tr '\n' ' ' <"$OUT")" = 'one two one three two two one two one three two two'

    for name in golden-mean even brackets biased story.txt; do
        words=
        [ $name != story.txt ] || words=--words
        # shellcheck disable=SC2086
        "$SOURCE" $name --symbols 20000 --seed 11 --score-from 1 $words --out text.txt --json >"$WORK/source.json"
        want=$("$JSON_GET" "$WORK/source.json" sample_bits)
        run construct --automaton $name --nonlinearity $nonlinearity --out m.safetensors --json
        done_with "$nonlinearity: $name can be constructed" 0
        must "$nonlinearity: $name: the entropy rate is said" near "$(json bits_per_token)" "$("$JSON_GET" "$WORK/source.json" bits_per_symbol)" 1e-12
        run eval --model m.safetensors --data text.txt --json
        must "$nonlinearity: $name: bits per token are the text's code length under its source" near "$(json bits_per_token)" "$want" 1e-6
        must "$nonlinearity: $name: every token after the first was scored" test "$(json tokens)" = 19999
        must "$nonlinearity: $name: nothing was unknown" test "$(json unknown)" = 0
    done
done

printf '\357\273\277a x 1 b\r\nb y 1 a\r\n' >marked.automaton
run construct --automaton marked.automaton --out marked.safetensors --json
done_with "a byte order mark is no part of the first state's name" 0
must "so there are two states" test "$(json states)" = 2

# ---- a large automaton: sums over many units must not lose the probabilities
awk 'BEGIN { seed = 7
    for (s = 0; s < 60; s++) {
        sum = 0
        for (x = 0; x < 12; x++) { seed = (seed * 1103 + 12347) % 65521; w[x] = seed % 97 + 1; n[x] = x ? int(seed / 97) % 60 : (s + 1) % 60; sum += w[x] }
        for (x = 0; x < 12; x++) printf "%d w%d %d/%d %d\n", s, x, w[x], sum, n[x]
    } }' >large.txt
"$SOURCE" large.txt --symbols 5000 --seed 3 --score-from 1 --words --out text.txt --json >"$WORK/source.json"
for nonlinearity in tanh relu; do
    run construct --automaton large.txt --nonlinearity $nonlinearity --out large.safetensors --json
    must "$nonlinearity: 60 states with 12 symbols are 721 units" test "$(json hidden)" = 721
    run eval --model large.safetensors --data text.txt --json
    must "$nonlinearity: 721 units are exact too" near "$(json bits_per_token)" "$("$JSON_GET" "$WORK/source.json" sample_bits)" 1e-5
done

# ---- the three cases of perplexity
printf '%s\n' 's <unk> 1/4 s' 's a 1/4 s' 's b 1/4 s' 's c 1/4 s' >uniform.txt
run construct --automaton uniform.txt --out uniform.safetensors --level word --json
must "<unk> may be a symbol" test "$(json vocabulary)" = 4
printf 'a b c a d a b c' >text.txt
run eval --model uniform.safetensors --data text.txt --json
must "a uniform model has the perplexity of its vocabulary" near "$(json perplexity)" 4 1e-7
run construct --cycle 'a b c' --out cycle.safetensors
printf 'a b c a b d' >text.txt
run eval --model cycle.safetensors --data text.txt --json
must "a word of probability 0 makes perplexity infinite" test "$(json perplexity)" = inf
run info cycle.safetensors --json
must "a constructed model is one like any other" test "$(json dimensions.output)" = 4
printf '%s\n' 's \n 1/2 s' 's a 1/2 s' >bytes.txt
run construct --automaton bytes.txt --out bytes.safetensors --json
must "symbols of one byte are bytes" test "$(json level)" = byte

# ---- --help and completion offer the choices that are taken, all of them and no other
choices() { grep -E "^ +--$1 " "$OUT" | sed -E "s/^ +--$1 ([^ ]+).*/\\1/" | tr '|' ' '; }
for setting in level cell; do
    run train --help
    all=$(choices $setting)
    run construct --help
    offered=$(choices $setting)
    taken=
    for choice in $all; do
        run construct --cycle 'a b c' --$setting "$choice" --out taken.safetensors
        case $status in 0) taken="$taken $choice" ;; 2) ;; *) fail "--$setting $choice is taken or refused" ;; esac
    done
    must "--help offers what --$setting takes" test "$offered" = "${taken# }"
    run completion bash
    must "completion offers what --$setting takes" grep -qF "'construct --$setting') words='$offered'" "$OUT"
done

refuses "no automaton says what to give" 2 '--automaton FILE' construct --out x.safetensors
refuses "two automata are refused" 2 'one of --automaton' construct --cycle 'a b' --automaton even --out x.safetensors
refuses "nowhere to write to says what to give" 2 '--out' construct --cycle 'a b'
refuses "a folder is no place for a model" 2 '\.: a folder' construct --cycle 'a b' --out .
refuses "an unknown name is no file" 2 'no built-in source, nor a file' construct --automaton evne --out x.safetensors
printf 's a 1/2 s\n' >bad.txt
refuses "probabilities that do not add up to 1 name the state" 2 'bad.txt: .*state s add up to 0.5' construct --automaton bad.txt --out x.safetensors
refuses "a cell whose weights cannot be written down is refused by name" 2 '--cell gru: .*tanh and relu' construct --cycle 'a b' --cell gru --out x.safetensors
refuses "words are no bytes" 2 "'the' is not one byte" construct --automaton story.txt --level byte --out x.safetensors
printf 's a\\sb 1 s\n' >bad.txt
refuses "a blank is in no word" 2 "'a b' is not one word" construct --automaton bad.txt --level word --out x.safetensors
awk 'BEGIN { for (s = 0; s < 500; s++) for (x = 0; x < 17; x++) printf "%d w%d 1/17 %d\n", s, x, (s + 1) % 500 }' >huge.txt
refuses "too many edges are refused with the limit" 2 '8500 edges.*8192' construct --automaton huge.txt --out x.safetensors
finish
