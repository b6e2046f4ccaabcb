#!/usr/bin/env python3
"""perplex beside what a user would pick instead: the same sizes, initial weights, batches and threads, in turns, in one run.

For each case perplex writes its initial weights and batches to a file; every peer does its first steps from them, and is timed
only if its losses agree. Then ours and the peers are measured in turns, there and back, each for the same time, while the
others sleep. Out come peers.json and peers.md: medians, quartiles, ratios, targets, versions. They are written anew after every case;
--resume goes on after the cases that are there. Needs nothing but Python 3.8; the peers bring their own interpreters (bench/README.md).
"""

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile

from contestants import Ours, Peers


# n, T, d, h, L, V: the sizes that the speed targets name. One-hot inputs are a row of W_xh to perplex, a product to nn.RNN;
# the cases with d > 0 are the same work to everyone. cell: tanh where none is named; GRU and LSTM have nn.GRU and nn.LSTM as peers.
# recurrence: perplex's way where auto does not take it yet.
CASES = {
    "chars": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=28),
    "chars-256": dict(batch=32, steps=35, embed=0, hidden=256, layers=1, vocab=28),
    "chars-embed": dict(batch=32, steps=35, embed=256, hidden=512, layers=1, vocab=28),
    "two-layers": dict(batch=32, steps=35, embed=0, hidden=256, layers=2, vocab=28),
    "wide": dict(batch=32, steps=35, embed=0, hidden=1024, layers=2, vocab=28),
    "words": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=10000),
    "words-embed": dict(batch=32, steps=35, embed=512, hidden=512, layers=1, vocab=10000),
    "one-stream": dict(batch=1, steps=35, embed=0, hidden=256, layers=1, vocab=28),
    "gru": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=28, cell="gru"),
    "lstm": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=28, cell="lstm"),
    "gru-chip": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=28, cell="gru", recurrence="persistent"),
    "lstm-chip": dict(batch=32, steps=35, embed=0, hidden=512, layers=1, vocab=28, cell="lstm", recurrence="persistent"),
    "tiny": dict(batch=4, steps=8, embed=0, hidden=32, layers=1, vocab=28),
}
# The speed targets on GPUs: h = 512 and 1024, T = 64, embedded words: "gpu-512-32" is h = 512 with 32 streams.
for _hidden in (512, 1024):
    for _batch in (32, 64, 128, 256):
        CASES[f"gpu-{_hidden}-{_batch}"] = dict(batch=_batch, steps=64, embed=512, hidden=_hidden, layers=1, vocab=10000)
STANDARD = ["chars", "words-embed", "chars-256", "two-layers", "wide", "words", "chars-embed", "one-stream"]
BOTH_THREADS = ("chars", "words-embed")  # on one thread and on all; the other cases on all
LOSSES = 8
# What the project set itself: at least twice the tokens/s of PyTorch's nn.RNN, and these shares of peak (on one thread, on more).
TARGET_RATIO, TARGET_PEER = 2.0, "torch rnn"
TARGET_SHARE = {"chars": (0.85, 0.80), "words": (0.80, 0.80), "two-layers": (0.75, 0.75), "wide": (0.75, 0.75)}
WORKS = {"train": "whole training steps", "evaluate": "forward passes with their loss"}
TOLERANCE = {"fp32": 2e-4, "tf32": 2e-2, "bf16": 1e-1}  # nats; fp32 programs differ by 1e-6; TF32 keeps 10 bits of a product's factors, bf16 7


def gpu_ratio(batch):
    """On a GPU, over the best of PyTorch's variants at the same precision: more where a step is bound by latency."""
    return 1.5 if batch <= 64 else 1.1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perplex", default="build/perplex", help="the program [build/perplex]")
    parser.add_argument("--torch-python", default=os.environ.get("PERPLEX_TORCH_PYTHON"), help="interpreter with PyTorch [$PERPLEX_TORCH_PYTHON]")
    parser.add_argument("--jax-python", default=os.environ.get("PERPLEX_JAX_PYTHON"), help="interpreter with JAX [$PERPLEX_JAX_PYTHON]")
    parser.add_argument("--onednn", help="the program built from onednn_peer.c")
    parser.add_argument("--cases", default="", help="list [" + ",".join(STANDARD) + "]; also tiny")
    parser.add_argument("--quick", action="store_true", help="chars and words-embed, five turns of half a second, no torch.compile: some 3 minutes")
    parser.add_argument("--resume", action="store_true", help="go on with the peers.json in --out")
    parser.add_argument("--variants", default="", help="of torch_peer.py [rnn,rnn-compile,loop,loop-compile; on a GPU rnn,rnn-graph,rnn-compile]")
    parser.add_argument("--compile-cases", default="chars,words-embed",
                        help="cases that torch.compile and the loop join, on all threads; compiling takes a minute each [chars,words-embed]")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda:k for perplex and the peers")
    parser.add_argument("--work", default="train", choices=("train", "evaluate"),
                        help="whole training steps, or forward passes with their loss alone (no oneDNN) [train]")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "tf32", "bf16"))
    parser.add_argument("--threads", default="", help="list, for every case [all cores; chars and words-embed also 1]")
    parser.add_argument("--rounds", type=int, default=0, help="turns of each [7; with --quick 5]")
    parser.add_argument("--seconds", type=float, default=0, help="length of one turn [0.7; with --quick 0.5]")
    parser.add_argument("--out", default="", help="folder for peers.json and peers.md; without it the table is printed")
    options = parser.parse_args()
    options.cases = (options.cases or ("chars,words-embed" if options.quick else ",".join(STANDARD))).split(",")
    usual = "rnn,rnn-graph,rnn-compile" if options.device != "cpu" else "rnn,rnn-compile,loop,loop-compile"
    options.variants = (options.variants or ("rnn,loop" if options.quick else usual)).split(",")
    options.compile_cases = options.compile_cases.split(",")
    options.rounds = options.rounds or (5 if options.quick else 7)
    options.seconds = options.seconds or (0.5 if options.quick else 0.7)
    if options.resume and not options.out:
        parser.error("--resume: needs the --out of the run that it goes on with")
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"no such case: {', '.join(unknown)}; there are {', '.join(CASES)}")
    if not (options.torch_python or options.jax_python or options.onednn):
        parser.error("nobody to compare with; give --torch-python, --jax-python or --onednn (bench/README.md)")
    return options


def quartiles(values):
    values = sorted(values)
    if len(values) < 2:
        return values[0], values[0], values[0]
    q1, median, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return q1, median, q3


def measure_case(options, peers, name, threads, most_threads, path):
    case = CASES[name]
    ours = Ours(options, case, threads, path)
    rows, alive = [], []
    for peer in peers.of_case(name, "cell" in case, threads, most_threads, path):
        difference = peer.check(ours.losses[:LOSSES], TOLERANCE[options.precision]) if not peer.reason else None
        rows.append({"peer": peer.name, "versions": peer.versions, "loss_difference": difference, "reason": peer.reason})
        if peer.reason:
            print(f"peers: {name}: {peer.name}: {peer.reason}", file=sys.stderr, flush=True)
        else:
            alive.append((peer, rows[-1]))
    turns = {ours.name: [], **{peer.name: [] for peer, _ in alive}}
    for round_number in range(options.rounds):
        order = [ours] + [peer for peer, _ in alive]
        for contestant in order if round_number % 2 == 0 else reversed(order):
            turn = contestant.turn(options.seconds)
            if turn:
                turns[contestant.name].append(turn)
    q1, median, q3 = quartiles([turn["tokens_per_s"] for turn in turns[ours.name]])
    our_row = {"peer": ours.name, "tokens_per_s": median, "q1": q1, "q3": q3, "turns": turns[ours.name]}
    our_row["share_of_peak"] = statistics.median([turn["share_of_peak"] or 0 for turn in turns[ours.name]])
    our_row["device_text"] = ours.result["cases"][0]["device_text"]
    for peer, row in alive:
        if len(turns[peer.name]) == options.rounds:
            row["q1"], row["tokens_per_s"], row["q3"] = quartiles([turn["tokens_per_s"] for turn in turns[peer.name]])
            row["turns"] = turns[peer.name]
            ratios = [a["tokens_per_s"] / b["tokens_per_s"] for a, b in zip(turns[ours.name], turns[peer.name])]
            row["ratio_q1"], row["ratio"], row["ratio_q3"] = quartiles(ratios)
        else:
            row["reason"] = peer.reason
    return {"case": name, **case, "threads": threads, "ours": our_row, "peers": rows}, ours.result


def judge_gpu(case):
    ratios = {row["peer"]: row["ratio"] for row in case["peers"] if "ratio" in row and row["peer"].startswith("torch")}
    best = min(ratios, key=ratios.get) if ratios else None  # the fastest of them is the one that we lead by least
    row = {"case": case["case"], "threads": case["threads"], "what": f"tokens/s over {best or 'PyTorch'}", "aimed_at": gpu_ratio(case["batch"])}
    if not best:
        return {**row, "measured": None, "passed": None, "reason": "; ".join(f"{peer['peer']}: {peer['reason']}" for peer in case["peers"]) or "no peer"}
    return {**row, "measured": ratios[best], "passed": ratios[best] >= row["aimed_at"]}


def judge_cpu(case, work):
    share, wanted = case["ours"]["share_of_peak"], TARGET_SHARE.get(case["case"])
    if wanted and work == "train":
        wanted = wanted[0 if case["threads"] == 1 else 1]
        yield {"case": case["case"], "threads": case["threads"], "what": "share of peak", "aimed_at": wanted, "measured": share, "passed": share >= wanted}
    for row in case["peers"]:
        if row["peer"] == TARGET_PEER and "ratio" in row:
            yield {"case": case["case"], "threads": case["threads"], "what": f"tokens/s over {TARGET_PEER}", "aimed_at": TARGET_RATIO, "measured": row["ratio"],
                   "passed": row["ratio"] >= TARGET_RATIO}


def judge(result):
    """Each target with what was measured and whether it was reached; passed is None where nothing could be measured."""
    rows = []
    for case in result["cases"]:
        if result["device"] == "cpu":
            rows += judge_cpu(case, result["work"])
        elif case["steps"] == 64:
            rows.append(judge_gpu(case))
    return rows


def targets(result):
    """What was aimed at, and by how much it was reached or missed."""
    rows = []
    for row in result["targets"]:
        percent = row["what"] == "share of peak"
        if row["passed"] is None:
            shown, met = "", f"not measured: {row['reason']}"
        elif percent:
            shown, met = f"{100 * row['measured']:.1f} %", "met" if row["passed"] else f"short by {100 * (row['aimed_at'] - row['measured']):.1f} points"
        else:
            shown, met = f"{row['measured']:.2f}", "met" if row["passed"] else f"short by {row['aimed_at'] - row['measured']:.2f}"
        aimed = f"{100 * row['aimed_at']:.0f} %" if percent else f"{row['aimed_at']:.1f}"
        rows.append(f"| {row['case']} | {row['threads']} | {row['what']} | {aimed} | {shown} | {met} |")
    return ["| case | threads | target | aimed at | measured | |", "|---|---|---|---|---|---|", *rows, ""] if rows else []


def markdown(result):
    lines = [f"{result['machine'].get('processor', '')}, {result['date']}, perplex {result['commit']}, {result['device']}, {result['precision']}, {WORKS[result['work']]};",
             f"{result['rounds']} turns of {result['seconds']} s each, in turns; tokens/s are medians (quartiles); the ratio is perplex over the peer, taken in every turn, "
             "its median (quartiles)." + ("" if result["complete"] else " **Stopped before the end.**"), ""]
    lines += ["| case | n | T | d | h | L | V | threads | program | tokens/s | perplex is faster by | largest difference of losses |",
              "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for case in result["cases"]:
        sizes = f"| {case['case']} | {case['batch']} | {case['steps']} | {case['embed']} | {case['hidden']} | {case['layers']} | {case['vocab']} | {case['threads']} "
        ours = case["ours"]
        contended = ", contended by other programs" if 2 * sum(turn["contended"] for turn in ours["turns"]) > len(ours["turns"]) else ""
        lines.append(sizes + f"| perplex ({100 * ours['share_of_peak']:.0f} % of peak{contended}) | {ours['tokens_per_s']:,.0f} ({ours['q1']:,.0f} to {ours['q3']:,.0f}) | | |")
        for row in case["peers"]:
            if "ratio" in row:
                lines.append(sizes + f"| {row['peer']} | {row['tokens_per_s']:,.0f} ({row['q1']:,.0f} to {row['q3']:,.0f}) | "
                                     f"**{row['ratio']:.2f}** ({row['ratio_q1']:.2f} to {row['ratio_q3']:.2f}) | {row['loss_difference']:.1e} |")
            else:
                lines.append(sizes + f"| {row['peer']} | not timed: {row['reason']} | | |")
    lines += ["", *targets(result)]
    versions = {}
    for case in result["cases"]:
        for row in case["peers"]:
            for key, value in row["versions"].items():
                if key not in ("variant", "threads"):
                    versions[key] = value
    lines += ["", "Versions: " + ", ".join(f"{key} {value}" for key, value in sorted(versions.items())) + f"; perplex: {result['device_text']}", ""]
    return "\n".join(lines)


def plan(options):
    """Pairs of a case and a number of threads; and the largest number."""
    most = len(os.sched_getaffinity(0))
    if options.threads:
        counts = [int(text) for text in options.threads.split(",")]
        return [(name, count) for name in options.cases for count in counts], max(counts)
    pairs = [(name, count) for name in options.cases for count in sorted({1, most} if name in BOTH_THREADS else {most})]
    return pairs, most


def save(result, folder):
    """Both files whole or not at all: each is written under another name first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("peers.json", json.dumps(result, indent=1) + "\n"), ("peers.md", markdown(result))):
        unfinished = folder / (name + ".tmp")
        unfinished.write_text(text)
        unfinished.replace(folder / name)


def begin(options):
    """A new result, or the one to go on with: only with the same settings, or its rows would not be of one table."""
    result = {"format": "perplex-peers", "version": 1, "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
              "device": options.device, "work": options.work, "precision": options.precision, "rounds": options.rounds, "seconds": options.seconds,
              "python": platform.python_version(), "complete": False, "cases": [], "targets": []}
    path = pathlib.Path(options.out) / "peers.json"
    if not options.resume or not path.exists():
        return result
    before = json.loads(path.read_text())
    before.setdefault("work", "train")
    for key in ("format", "version", "device", "work", "precision", "rounds", "seconds"):
        if before.get(key) != result[key]:
            sys.exit(f"peers: {path}: was made with {key} {before.get(key)}, not {result[key]}; leave --resume out, or give the same settings")
    return before


def measure_all(options, result):
    pairs, most = plan(options)
    done = {(case["case"], case["threads"]) for case in result["cases"]}
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Peers(options)) as peers:
        for index, (name, threads) in enumerate(pairs):
            if (name, threads) in done:
                continue
            print(f"peers: {index + 1} of {len(pairs)}: {name}, {threads} thread(s)", file=sys.stderr, flush=True)
            case, ours = measure_case(options, peers, name, threads, most, pathlib.Path(folder) / "case.safetensors")
            if result.setdefault("commit", ours["commit"]) != ours["commit"]:
                sys.exit(f"peers: the rows there are of commit {result['commit']}, the program is of {ours['commit']}; leave --resume out")
            for key in ("machine", "nvidia", "pinning", "build", "libraries"):
                result[key] = ours[key]
            result["device_text"] = ours["cases"][0]["device_text"]
            result["cases"].append(case)
            result["targets"] = judge(result)
            if options.out:
                save(result, pathlib.Path(options.out))
    result["complete"] = True


def main():
    options = arguments()
    result = begin(options)
    code = 0
    try:
        measure_all(options, result)
    except KeyboardInterrupt:
        again = " (--resume goes on)" if options.out else ""
        print(f"peers: stopped; {len(result['cases'])} cases were measured and are kept{again}", file=sys.stderr)
        code = 1
    if result["cases"]:
        result["targets"] = judge(result)  # also of rows that were there
        if options.out:
            save(result, pathlib.Path(options.out))
        print(markdown(result))
    sys.exit(code)


main()
