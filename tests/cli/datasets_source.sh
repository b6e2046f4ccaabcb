#!/usr/bin/env bash
# perplex-source through the program: texts, rates, its JSON, wrong input.
. "$(dirname "$0")/lib.sh"

# rejects NAME STATUS PATTERN ARGS...: one line on standard error, nothing on standard output, no new file.
rejects() {
    local name=$1 want=$2 pattern=$3 before
    shift 3
    before=$(listing)
    run "$@"
    if [ "$status" != "$want" ]; then fail "$name" "want status $want"
    elif [ "$(wc -l <"$ERR")" != 1 ] || ! grep -q -e "^perplex-source: .*$pattern" "$ERR"; then fail "$name" "want one line with: $pattern"
    elif [ -s "$OUT" ] || [ "$before" != "$(listing)" ]; then fail "$name" "want nothing written"
    else ok "$name"; fi
}

run coin --symbols 50000 --seed 3 --out coin.txt --json
done_with "a text can be written" 0
must "--json is one JSON object" is_json
must "a fair coin has 1 bit" near "$(json bits_per_symbol)" 1 1e-12
must "its text too" near "$(json sample_bits)" 1 1e-12
must "and perplexity 2" near "$(json perplexity)" 2 1e-12
must "the text has as many symbols" test "$(stat -c %s coin.txt)" = 50000
must "of the alphabet" test "$(tr -d ab <coin.txt | wc -c)" = 0
run coin --symbols 50000 --seed 3 --out again.txt
must "the same seed gives the same text" cmp coin.txt again.txt
run coin --symbols 50000 --seed 4 --out other.txt
must "another seed another one" test "$(cksum <coin.txt)" != "$(cksum <other.txt)"
run coin --symbols 50000 --seed 3
must "standard output has the text alone" cmp coin.txt "$OUT"
must "and standard error the rate" grep -q '1 bits per symbol' "$ERR"
run golden-mean --json
must "without symbols only the rate is told" near "$(json bits_per_symbol)" 0.66666666666666667 1e-12
must "there is no text to score" test "$(json sample_bits)" = null
run golden-mean --symbols 100000 --out g.txt
must "golden means have no two b in a row" test "$(grep -c bb g.txt)" = 0
run even --symbols 200000 --score-from 180000 --out e.txt --json
must "the held-out part is scored near the rate" near "$(json sample_bits)" "$(json bits_per_symbol)" 0.03
run --cycle 'the quick brown fox' --symbols 9
must "a cycle of words goes round" test "$(cat "$OUT")" = "the quick brown fox the quick brown fox the "
run --cycle 'the quick brown fox' --json
must "without entropy" test "$(json bits_per_symbol)" = 0
run --random 8,6,1 --symbols 1000 --out r.txt --json
must "a drawn source has its states" test "$(json states)" = 8
printf '# one state, three symbols\ns x 1/2 s\ns y 1/4 s\ns z 1/4 s\n' >three.src
run three.src --json
must "a source can be described in a file" near "$(json bits_per_symbol)" 1.5 1e-12
run --list
must "the list names the built-in ones" grep -q '^golden-mean ' "$OUT"
run --help
must "help fits a screen" test "$(wc -l <"$OUT")" -le 25

printf 's x 1/2 s\n' >half.src
rejects "probabilities that do not add up are refused" 2 'half.src: the probabilities of state s add up to 0.5' half.src
rejects "a missing source is refused" 2 'nosuch: No such file' nosuch
rejects "no source is refused" 2 'one source is needed' --json
rejects "two sources are refused" 2 'one source is needed' coin --cycle 'a b'
rejects "an unknown flag is refused" 2 'nosuch: unknown flag' coin --nosuch
rejects "a negative number is refused" 2 'a whole number' coin --symbols -4
rejects "a folder that is not there is an error" 1 'no/such/x: cannot be written' coin --symbols 5 --out no/such/x
finish
