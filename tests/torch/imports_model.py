#!/usr/bin/env python3
"""Language models of torch.nn.RNN, saved by safetensors, have the same loss in perplex, to 1e-5.

usage: imports_model.py PERPLEX     exit status 77 where torch or safetensors cannot be imported.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    from safetensors.torch import save_file, save_model
    from torch import nn
except ImportError as error:
    print(f"SKIP torch_imports_model: {error}; PERPLEX_PYTHON names an interpreter that has torch and safetensors")
    sys.exit(77)

TEXT = "".join(f"{'kqrst'[i * i % 5]}{'aeiou'[i % 7 % 5]} " for i in range(700))
TOKENS = sorted(set(TEXT))


class Net(nn.Module):
    def __init__(self, vocabulary, d, h, layers, cell, tied, bias, cutoffs=None):
        super().__init__()
        if d:
            self.encoder = nn.Embedding(vocabulary, d)
        gated = {"gru": nn.GRU, "lstm": nn.LSTM}.get(cell)
        self.rnn = gated(d or vocabulary, h, layers, bias=bias) if gated else nn.RNN(d or vocabulary, h, layers, nonlinearity=cell, bias=bias)
        self.decoder = nn.AdaptiveLogSoftmaxWithLoss(h, vocabulary, cutoffs) if cutoffs else nn.Linear(h, vocabulary)
        self.vocabulary, self.one_hot = vocabulary, not d
        if tied:
            self.decoder.weight = self.encoder.weight

    def forward(self, x):
        e = nn.functional.one_hot(x, self.vocabulary).to(self.rnn.weight_hh_l0.dtype) if self.one_hot else self.encoder(x)
        return self.rnn(e.unsqueeze(1))[0].squeeze(1)

    def loss(self, x):
        hidden = self(x[:-1])
        if isinstance(self.decoder, nn.AdaptiveLogSoftmaxWithLoss):
            return self.decoder(hidden, x[1:]).loss
        return nn.functional.cross_entropy(self.decoder(hidden), x[1:])


def compare(perplex, folder, name, sizes, vocabulary, dtype=torch.float32, wrap=None, how=save_file):
    torch.manual_seed(len(name))
    size = 256 if vocabulary is None else len(vocabulary)
    net = Net(size, *sizes)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5)
    net = net.to(dtype)
    raw = TEXT.encode()
    ids = list(raw) if vocabulary is None else [vocabulary.index(c) for c in TEXT]
    x = torch.tensor(ids)
    exact = Net(size, *sizes).double()
    exact.load_state_dict({key: value.double() for key, value in net.state_dict().items()})
    with torch.no_grad():
        theirs = exact.loss(x).item()
    saved = nn.ModuleDict({wrap: net}) if wrap else net
    if how is save_model:
        save_model(saved, folder / "net.safetensors")
    else:
        how({key: value.clone().contiguous() for key, value in saved.state_dict().items()}, folder / "net.safetensors")
    (folder / "text").write_bytes(raw)
    flags = ["--cell", sizes[3]]
    if vocabulary is not None:
        (folder / "tokens.json").write_text(json.dumps(vocabulary))
        flags += ["--vocab", folder / "tokens.json"]
    command = [perplex, "import", folder / "net.safetensors", "--out", folder / "model.safetensors", *flags]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE)
    result = subprocess.run([str(perplex), "eval", "--model", str(folder / "model.safetensors"), "--data", str(folder / "text"), "--json"], check=True,
                            stdout=subprocess.PIPE)
    ours = json.loads(result.stdout)["loss"]
    good = abs(ours - theirs) <= 1e-5 * theirs
    print(f"{'ok   ' if good else 'FAIL '} {name}: perplex {ours:.9f}, torch {theirs:.9f}")
    return good


def main():
    perplex = Path(sys.argv[1]).resolve()
    with_unknown = TOKENS[:3] + ["<unk>"] + TOKENS[3:]
    cases = [
        ("one-hot characters", (0, 24, 1, "tanh", False, True), TOKENS),
        ("<unk> in the middle", (9, 24, 2, "tanh", False, True), with_unknown),
        ("relu, no bias, bytes", (0, 24, 1, "relu", False, False), None),
        ("tied, saved by save_model", (16, 16, 1, "tanh", True, True), TOKENS, torch.float32, None, save_model),
        ("tied, both names", (16, 16, 1, "tanh", True, True), TOKENS),
        ("under a wrapper", (9, 24, 3, "tanh", False, True), TOKENS, torch.float32, "model"),
        ("gru", (9, 24, 2, "gru", False, True), TOKENS),
        ("gru, no bias, bytes", (0, 24, 1, "gru", False, False), None),
        ("lstm", (0, 24, 2, "lstm", False, True), TOKENS),
        ("lstm, tied", (16, 16, 1, "lstm", True, True), TOKENS),
        ("adaptive", (9, 24, 1, "tanh", False, True, [4]), ["<unk>"] + TOKENS),
        ("adaptive, two clusters, <unk> in the shortlist", (0, 32, 2, "lstm", False, True, [5, 8]), with_unknown),
        ("adaptive, bf16, under a wrapper", (9, 24, 1, "gru", False, True, [6]), with_unknown, torch.bfloat16, "model"),
        ("fp64", (9, 24, 1, "tanh", False, True), TOKENS, torch.float64),
        ("fp16", (9, 24, 1, "tanh", False, True), TOKENS, torch.float16),
        ("bf16", (9, 24, 1, "tanh", False, True), TOKENS, torch.bfloat16, "module"),
    ]
    with tempfile.TemporaryDirectory() as name:
        results = [compare(perplex, Path(name), *case) for case in cases]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
