#!/usr/bin/env python3
"""What the CPU engine was meant to reach and what a folder of results has: bench/targets.py FOLDER, with FOLDER/quick/bench.json and
perhaps FOLDER/products.json (bench/products.sh). Prints a Markdown table. On two threads and more the aim is lower where the best
library's large product in the same folder reaches less: 97 % of that.
"""

import json
import pathlib
import sys

# hidden, layers, vocab, threads > 1: least share of the peak of a whole training step (n=32, T=35) on AVX-512 and on AVX2
TRAIN = {
    (512, 1, 28, False): (0.82, 0.86),
    (512, 1, 28, True): (0.78, 0.82),
    (256, 1, 28, True): (0.70, 0.78),
    (256, 2, 28, True): (0.70, 0.80),
    (1024, 2, 28, True): (0.80, 0.87),
    (512, 1, 10000, True): (0.82, 0.84),
}
WEIGHTS = 0.70  # evaluation and decoding of one stream: of the speed at which the weights can be read
LARGE = 4e8  # multiply-adds of a large product
OF_LIBRARY = 0.97


def read(path):
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        sys.exit(f"targets.py: {path}: {error}; measure again")


def library_share(products, threads):
    """The best share of the peak that a library's large product has on so many threads, or None."""
    shares = [
        by["gflops"] / product["peak_gflops"]
        for product in (products or {}).get("products", [])
        if product["threads"] == threads and not product["contended"] and product["m"] * product["n"] * product["k"] >= LARGE
        for by in product["by"]
        if not by["name"].startswith("perplex")
    ]
    return max(shares) if shares else None


def aim(case, products):
    """(least share, why) of a case, or None where nothing was aimed at."""
    if case["work"] in ("evaluate", "decode"):
        return WEIGHTS, "of the weights' roofline"
    wanted = TRAIN.get((case["hidden"], case["layers"], case["vocab"], case["threads"] > 1))
    if case["work"] != "train" or case["batch"] != 32 or not wanted:
        return None
    least = wanted[0 if "avx512" in case["device_text"] else 1]
    library = library_share(products, case["threads"]) if case["threads"] > 1 else None
    if library and OF_LIBRARY * library < least:
        return OF_LIBRARY * library, f"(97 % of a library's {100 * library:.1f} %)"
    return least, "of the peak"


def row(case, wanted):
    least, why = wanted
    share = case["share_of_peak" if case["work"] == "train" else "share_of_roofline"]
    flags = [flag for flag in ("contended", "noisy") if case[flag]]
    reached = f"{100 * share:.1f} %" + (f" ({', '.join(flags)})" if flags else "")
    name = f"{case['work']}, n={case['batch']}, h={case['hidden']}, L={case['layers']}, V={case['vocab']}"
    return f"| {name} | {case['threads']} | {100 * least:.1f} % {why} | {reached} | {'yes' if share >= least else 'no'} |"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    quick, products = read(folder / "quick" / "bench.json"), read(folder / "products.json")
    if not quick:
        sys.exit(f"targets.py: {folder / 'quick' / 'bench.json'} is not there; bench/measure.sh quick makes it")
    print(f"Commit {quick['commit']}, {quick['date']}; {quick['cases'][0]['device_text']}\n")
    print("| case | threads | aimed at | reached | met |\n|---|---|---|---|---|")
    for case in quick["cases"]:
        wanted = aim(case, products)
        if wanted:
            print(row(case, wanted))


main()
