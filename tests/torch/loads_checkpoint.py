#!/usr/bin/env python3
"""A PyTorch nn.RNN loads a checkpoint as it is and gives the loss that perplex gives, to 1e-5.

usage: loads_checkpoint.py PERPLEX     exit status 77 where torch or safetensors cannot be imported.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import torch
    from safetensors import safe_open
    from torch import nn
except ImportError as error:
    print(f"SKIP torch_loads_checkpoint: {error}; PERPLEX_PYTHON names an interpreter that has torch and safetensors")
    sys.exit(77)


class LanguageModel(nn.Module):
    """The modules under the names that a checkpoint uses; tied models share encoder.weight with the output layer."""

    def __init__(self, tensors, layers, cell):
        super().__init__()
        self.one_hot = "encoder.weight" not in tensors
        hidden, width = tensors["rnn.weight_hh_l0"].shape[1], tensors["rnn.weight_ih_l0"].shape[1]
        vocabulary = tensors["decoder.bias"].shape[0]
        if not self.one_hot:
            self.encoder = nn.Embedding(vocabulary, width)
        self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM}[cell](width, hidden, num_layers=layers) if cell in ("gru", "lstm") else nn.RNN(
            width, hidden, num_layers=layers, nonlinearity=cell)
        tied = "decoder.weight" not in tensors
        self.proj = nn.Linear(hidden, width, bias=False) if "proj.weight" in tensors else nn.Identity()
        self.decoder = nn.Linear(width if tied else hidden, vocabulary)
        if tied:
            self.decoder.weight = self.encoder.weight
        missing, unexpected = self.load_state_dict(tensors, strict=False)
        assert not [name for name in missing if not (tied and name == "decoder.weight")], missing
        assert all(name.startswith("state.") for name in unexpected), unexpected
        self.vocabulary = vocabulary

    def forward(self, ids):
        x = nn.functional.one_hot(ids, self.vocabulary).to(self.decoder.bias.dtype) if self.one_hot else self.encoder(ids)
        return self.decoder(self.proj(self.rnn(x.unsqueeze(1))[0].squeeze(1)))


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout


def compare(perplex, folder, name, flags, checkpoint):
    text = folder / "text"
    out = folder / name
    run(perplex, "train", "--data", text, "--run", out, "--hidden", 33, "--batch", 4, "--steps", 11, "--max-steps", 80, "--threads", 1, *flags)
    model = out / checkpoint
    held_out = folder / "held-out"
    ours = json.loads(run(perplex, "eval", "--model", model, "--data", held_out, "--json"))
    with safe_open(model, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}
        lines = file.metadata()["perplex.vocabulary"].split("\n")
    layers = sum(key.startswith("rnn.weight_hh_l") for key in tensors)
    module = LanguageModel(tensors, layers, next((cell for cell in ("relu", "gru", "lstm") if cell in flags), "tanh")).double()
    # the vocabulary's text form: a line of options, then a token, a tab and its frequency per line, in the order of ids
    ids = {line.split("\t")[0]: number for number, line in enumerate(lines[1:]) if line}
    sequence = torch.tensor([ids[chr(byte)] for byte in held_out.read_bytes()])
    with torch.no_grad():
        theirs = nn.functional.cross_entropy(module(sequence[:-1]), sequence[1:]).item()
    difference = abs(ours["loss"] - theirs) / theirs
    print(f"{name}: perplex {ours['loss']:.9f}, torch {theirs:.9f}, relative difference {difference:.1e}")
    return difference <= 1e-5 and ours["tokens"] == len(sequence) - 1


def main():
    perplex = Path(sys.argv[1]).resolve()
    cases = [
        ("one_hot", [], "best.safetensors"),
        ("embedding_two_layers", ["--embed", 12, "--layers", 2], "best.safetensors"),
        ("tied_with_projection_relu", ["--embed", 12, "--tied", "--nonlinearity", "relu", "--init-recurrent", "same"], "best.safetensors"),
        ("gru_two_layers", ["--cell", "gru", "--layers", 2], "last.safetensors"),
        ("lstm_embedding", ["--cell", "lstm", "--embed", 12], "last.safetensors"),
        ("last_checkpoint_with_training_state", ["--embed", 33, "--tied"], "last.safetensors"),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = "".join(f"{(i * i) % 997:x}g{i % 13:x}h" for i in range(4000))
        (folder / "text").write_text(numbers)
        (folder / "held-out").write_text(numbers[5000:7000])
        results = [compare(perplex, folder, *case) for case in cases]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
