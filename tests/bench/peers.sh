#!/usr/bin/env bash
# bench/peers: a peer does the same work as perplex before it is timed, what was stopped goes on, and rows of two tables are not mixed.
# peers.sh PERPLEX [INTERPRETER_WITH_PYTORCH]: a stand-in that takes part in the conversation is enough for most of it.
set -uo pipefail
perplex=$1
torch=${2:-${PERPLEX_PYTHON:-}}
here=$(cd "$(dirname "$0")/../.." && pwd)
command -v python3 >/dev/null || { echo "SKIP: bench_peers: python3 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then echo "ok    $what"; else
        echo "FAIL  $what"
        failures=$((failures + 1))
    fi
}
# The stand-in answers with perplex's own losses (it runs perplex on the same case), moved by $OFFSET nats; it waits in place of work.
cat >"$work/peer" <<'STAND_IN'
#!/usr/bin/env python3
import json, os, sys, time
print(json.dumps({"ready": True, "versions": {"stand-in": "1"}}), flush=True)
losses = json.load(open(os.environ["LOSSES"]))["cases"][0]["losses"]
for line in sys.stdin:
    word = line.split()[0]
    if word == "quit": break
    if word == "case": print(json.dumps({"case": True}), flush=True)
    if word == "check": print(json.dumps({"losses": [x + float(os.environ["OFFSET"]) for x in losses]}), flush=True)
    if word == "time":
        time.sleep(0.05)
        print(json.dumps({"tokens_per_s": 1000.0, "seconds": 0.05, "steps": 1, "use": 1}), flush=True)
STAND_IN
chmod +x "$work/peer"
"$perplex" bench --json --batch 4 --steps 8 --hidden 32 --vocab 28 --threads 1 --case-seconds 0.05 >"$work/losses.json" 2>/dev/null
export LOSSES=$work/losses.json OFFSET=0
run() { python3 "$here/bench/peers/run.py" --perplex "$perplex" --cases tiny --threads 1 --rounds 2 --seconds 0.05 "$@" >"$work/out" 2>"$work/err"; }
has() { python3 - "$work/table/peers.json" "$1" <<'ASK'
import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(not eval(sys.argv[2], {"r": r, "case": r["cases"][-1], "peer": r["cases"][-1]["peers"][0]}))
ASK
}
check "a peer with the same losses is timed" run --onednn "$work/peer" --out "$work/table"
check "... and gets a ratio, and its versions" has 'peer["ratio"] > 0 and peer["versions"]["stand-in"] == "1" and peer["loss_difference"] < 1e-6 and r["complete"]'
check "... in a table" grep -q '| tiny |.*oneDNN rnn | 1,000 ' "$work/table/peers.md"
check "resuming a whole table measures nothing" run --onednn "$work/peer" --out "$work/table" --resume
check "... and keeps its rows" has 'len(r["cases"]) == 1'
check "resuming goes on with what is missing" run --onednn "$work/peer" --out "$work/table" --resume --threads 1,2
check "... beside what was there" has '[c["threads"] for c in r["cases"]] == [1, 2]'
check "other settings are not mixed into a table" bash -c "! python3 '$here/bench/peers/run.py' --perplex '$perplex' --cases tiny --threads 1 --rounds 3 --onednn '$work/peer' --out '$work/table' --resume 2>'$work/err' && grep -q rounds '$work/err'"
check "rows of other work neither" bash -c "! python3 '$here/bench/peers/run.py' --perplex '$perplex' --cases tiny --threads 1 --rounds 2 --seconds 0.05 --work evaluate --torch-python x --out '$work/table' --resume 2>'$work/err' && grep -q 'made with work train' '$work/err'"
OFFSET=0.001
check "a peer with other losses does not spoil the table" run --onednn "$work/peer" --out "$work/table"
check "... and is not timed" has '"ratio" not in peer and "not timed" in peer["reason"]'
check "a program that is no peer does not either" run --onednn /bin/false --out "$work/table"
check "... and its end is the reason" has '"ended" in peer["reason"]'
check "an unknown case is status 2" bash -c "python3 '$here/bench/peers/run.py' --cases nonsense --onednn x 2>'$work/err'; [ \$? = 2 ] && grep -q nonsense '$work/err'"
if [ -n "$torch" ] && "$torch" -c 'import torch' 2>/dev/null; then
    check "PyTorch's nn.RNN takes part" run --torch-python "$torch" --variants rnn --out "$work/table"
    check "one process takes part in several cases" run --torch-python "$torch" --variants rnn --cases tiny,lstm --out "$work/two"
    check "... refuses those that are not its own" run --torch-python "$torch" --variants rnn,loop,rnn-graph --compile-cases tiny,gru --out "$work/table"
    check "... and says why" grep -q 'rnn-graph | not timed: CUDA graphs need a GPU' "$work/table/peers.md"
    check "... beside one that is timed, with the same losses" has 'peer["peer"] == "torch rnn" and peer["loss_difference"] < 2e-4 and peer["ratio"] > 0'
    check "... evaluates the same losses" run --torch-python "$torch" --variants rnn --work evaluate --out "$work/table"
    check "... from forward passes alone" has 'r["work"] == "evaluate" and peer["loss_difference"] < 2e-4 and peer["ratio"] > 0'
else
    echo "SKIP: bench_peers: PyTorch: no interpreter has it; set PERPLEX_PYTHON (the rest was tested)"
fi
[ $failures = 0 ] || { tail -n 5 "$work/err"; exit 1; }
