#!/usr/bin/env python3
"""The lines of Python in docs/manual/pytorch.md that load an export into torch.nn.RNN reproduce perplex's loss to 1e-5.

usage: snippet.py PERPLEX SOURCE     exit status 77 where torch or safetensors cannot be imported.
"""
import contextlib
import io
import json
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import safetensors.torch  # noqa: F401
    import torch  # noqa: F401
except ImportError as error:
    print(f"SKIP torch_snippet: {error}; PERPLEX_PYTHON names an interpreter that has torch and safetensors")
    sys.exit(77)


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout


def run_block(path, *arguments):
    """Runs a block as a program of its own, but in this process: importing torch takes longer than all the rest."""
    printed, sys.argv = io.StringIO(), [str(path), *map(str, arguments)]
    with contextlib.redirect_stdout(printed):
        runpy.run_path(str(path), run_name="__main__")
    return printed.getvalue()


def blocks(path):
    """The blocks of a page that load an export."""
    return [block for block in re.findall(r"^```python\n(.*?)^```$", path.read_text(), re.M | re.S) if "load_file" in block]


def main():
    perplex, source = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    snippets = {page: block for page in ("docs/manual/pytorch.md",) for block in blocks(source / page)}
    assert snippets, "the manual has no such block"
    cases = [
        ["--level", "byte"],
        ["--level", "char", "--embed", 12, "--tied", "--layers", 2, "--nonlinearity", "relu", "--init-recurrent", "same"],
        ["--level", "word", "--embed", 16, "--min-count", 2],
        ["--level", "char", "--cell", "gru", "--layers", 2],
        ["--level", "byte", "--cell", "lstm", "--embed", 12, "--tied"],
        ["--level", "word", "--output", "adaptive", "--cutoffs", "7,40", "--embed", 16],
        ["--level", "byte", "--output", "adaptive", "--cell", "lstm", "--layers", 2],
    ]
    held = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = "".join(f"the {'kqrst'[i * i % 5]}{'aeiou'[i % 7 % 5]} w\u00e9nt {'up' if i % 3 else 'down'} {i * i % 97}\n" for i in range(1500))
        (folder / "text").write_text(lines)
        (folder / "held-out").write_text(lines[9000:15000])
        for number, flags in enumerate(cases):
            model, out = folder / f"run{number}", folder / f"out{number}"
            run(perplex, "train", "--data", folder / "text", "--run", model, "--hidden", 33, "--batch", 4, "--steps", 11, "--max-steps", 80,
                "--threads", 1, *flags)
            run(perplex, "export", "--model", model, "--out", out)
            ours = json.loads(run(perplex, "eval", "--model", model, "--data", folder / "held-out", "--json"))["loss"]
            for page, block in snippets.items():
                (folder / "score.py").write_text(block)
                theirs = float(run_block(folder / "score.py", out, folder / "held-out").split()[1])
                good = abs(ours - theirs) <= 1e-5 * ours
                held = held and good
                print(f"{'ok   ' if good else 'FAIL '} {page}, {' '.join(map(str, flags))}: perplex {ours:.6f}, torch {theirs:.6f}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
