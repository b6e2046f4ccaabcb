#!/usr/bin/env python3
"""PyTorch as a peer: nn.RNN and a hand-written loop, eager or through torch.compile, on the CPU or a GPU.

Variants:
    rnn            nn.RNN (or nn.GRU, nn.LSTM, as the case's weights are), what a user picks; a one-hot input is F.one_hot as in Dive into Deep Learning 8.6, a learned one nn.Embedding
    rnn-compile    the same model through torch.compile
    loop           tanh(x_t + h W_hh') step by step; a one-hot input is a row of W_xh, without a product
    loop-compile   that loop, unrolled over T by torch.compile
    rnn-graph      rnn with the whole training step captured once in a CUDA graph and replayed: a GPU's time without Python's
The training step is forward, loss, backward, clip_grad_norm_ and SGD, with the state carried and detached. With --work evaluate a step
is forward and loss alone, under torch.inference_mode.
"""

import argparse
import os

import worker

VARIANTS = ("rnn", "rnn-compile", "loop", "loop-compile", "rnn-graph")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=VARIANTS, default="rnn")
    parser.add_argument("--device", default="cpu", help="cpu or cuda:k")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "tf32", "bf16"), default="fp32")
    parser.add_argument("--work", choices=("train", "evaluate"), default="train")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--clip", type=float, default=1.0)
    return parser.parse_args()


options = arguments()
worker.quiet_stdout()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    worker.fail(f"PyTorch cannot be imported: {error}")


class Model(nn.Module):
    """Embedding or one-hot, L layers of nn.RNN (tanh), nn.GRU or nn.LSTM, a linear output layer."""

    def __init__(self, case, loop):
        super().__init__()
        weights = {name: torch.from_numpy(worker.to_numpy(entry)) for name, entry in case.items() if not name.startswith("bench.")}
        self.layers = sum(name.startswith("rnn.weight_hh_l") for name in weights)
        rows, self.hidden = weights["rnn.weight_hh_l0"].shape
        kind = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}[rows // self.hidden]
        self.states = 2 if kind is nn.LSTM else 1
        if loop and kind is not nn.RNN:
            raise worker.Refused("the loop by hand is of tanh units alone")
        self.vocab = weights["decoder.bias"].shape[0]
        self.loop = loop
        if "decoder.weight" not in weights:
            raise worker.Refused("tied embeddings are not part of this comparison")
        width = weights["rnn.weight_ih_l0"].shape[1]
        self.encoder = nn.Embedding(self.vocab, width) if "encoder.weight" in weights else None
        self.rnn = kind(width, self.hidden, self.layers)
        self.decoder = nn.Linear(self.hidden, self.vocab)
        self.load_state_dict(weights)
        for layer in range(self.layers):  # perplex has one bias, but for the one inside a GRU's n; the rest of the second stays at zero
            second = getattr(self.rnn, f"bias_hh_l{layer}")
            if kind is nn.GRU:
                inside = torch.arange(rows) >= 2 * self.hidden
                second.register_hook(lambda gradient, inside=inside: gradient * inside.to(gradient))
            else:
                second.requires_grad_(False)

    def forward(self, tokens, state):
        if self.loop:
            output, last = self.unrolled(tokens, state[0])
            state = last.unsqueeze(0)
        else:
            x = self.encoder(tokens) if self.encoder is not None else F.one_hot(tokens, self.vocab).to(torch.float32)
            output, last = self.rnn(x, tuple(state) if self.states == 2 else state[0])
            state = torch.stack(last) if self.states == 2 else last.unsqueeze(0)
        return self.decoder(output.reshape(-1, self.hidden)), state

    def unrolled(self, tokens, state):
        below, last = None, []
        for layer in range(self.layers):
            w_ih, w_hh = getattr(self.rnn, f"weight_ih_l{layer}"), getattr(self.rnn, f"weight_hh_l{layer}")
            bias = getattr(self.rnn, f"bias_ih_l{layer}")
            if layer == 0 and self.encoder is None:
                x = F.embedding(tokens, w_ih.t()) + bias
            else:
                x = F.linear(self.encoder(tokens) if layer == 0 else below, w_ih, bias)
            h, outputs = state[layer], []
            for t in range(tokens.shape[0]):
                h = torch.tanh(torch.addmm(x[t], h, w_hh.t()))
                outputs.append(h)
            below = torch.stack(outputs)
            last.append(h)
        return below, torch.stack(last)


class Peer:
    steps_between_waits = 50  # a GPU's queue is not filled without end

    def __init__(self):
        torch.set_num_threads(options.threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = options.precision == "tf32"
        self.device = torch.device(options.device)
        self.versions = {"torch": torch.__version__, "variant": options.variant, "threads": torch.get_num_threads()}
        if self.device.type == "cuda":
            self.versions["gpu"] = torch.cuda.get_device_name(self.device)
            self.versions["cuda"] = torch.version.cuda
            self.versions["cudnn"] = torch.backends.cudnn.version()

    def load(self, case):
        torch._dynamo.reset()  # nothing compiled for the case before is kept
        self.case = case
        self.tokens, self.targets = (
            torch.from_numpy(worker.to_numpy(case[f"bench.{name}"])).long().to(self.device) for name in ("tokens", "targets")
        )
        self.tokens_per_step = self.tokens.shape[1] * self.tokens.shape[2]
        self.reset()

    def reset(self):
        self.graph = None
        self.model = Model(self.case, loop=options.variant.startswith("loop")).to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.SGD(self.parameters, lr=options.lr)
        self.run = torch.compile(self.forward) if options.variant.endswith("compile") else self.forward
        self.window = 0
        self.zero = torch.zeros(self.model.states, self.model.layers, self.tokens.shape[2], self.model.hidden, device=self.device)
        self.state = self.zero

    def forward(self, tokens, targets, state):
        # bf16: products by autocast, weights and moments fp32, as a user has it
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=options.precision == "bf16"):
            output, state = self.model(tokens, state)
        return F.cross_entropy(output.float(), targets.reshape(-1)), state.float()

    def train(self, tokens, targets, state):
        self.optimizer.zero_grad(set_to_none=True)
        loss, state = self.run(tokens, targets, state)
        loss.backward()
        if options.clip > 0:
            nn.utils.clip_grad_norm_(self.parameters, options.clip)
        self.optimizer.step()
        return loss.detach(), state.detach()

    def step(self):
        at = self.window % self.tokens.shape[0]
        if at == 0:
            self.state = self.zero
        self.window += 1
        if options.variant == "rnn-graph":
            return self.replay(at)
        work = self.evaluate if options.work == "evaluate" else self.train
        loss, self.state = work(self.tokens[at], self.targets[at], self.state)
        return loss

    @torch.inference_mode()
    def evaluate(self, tokens, targets, state):
        return self.run(tokens, targets, state)

    def capture(self):
        """The step as a graph over buffers that stay, as PyTorch's "CUDA semantics" has it; the weights end as they began."""
        self.fixed = [self.tokens[0].clone(), self.targets[0].clone(), self.zero.clone()]
        before = [p.detach().clone() for p in self.parameters]
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self.train(*self.fixed)
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = self.train(*self.fixed)
            self.fixed[2].copy_(self.result[1])
        with torch.no_grad():
            for p, value in zip(self.parameters, before):
                p.copy_(value)

    def replay(self, at):
        if not self.graph:
            self.capture()
        self.fixed[0].copy_(self.tokens[at])
        self.fixed[1].copy_(self.targets[at])
        if at == 0:
            self.fixed[2].zero_()
        self.graph.replay()
        return self.result[0].clone()

    def loss(self, handle):
        return float(handle)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


if options.device.startswith("cuda") and not torch.cuda.is_available():
    worker.fail("PyTorch finds no GPU")
if options.variant == "rnn-graph" and not options.device.startswith("cuda"):
    worker.fail("CUDA graphs need a GPU")
if options.variant == "rnn-graph" and options.work != "train":
    worker.fail("rnn-graph captures training steps; evaluation has rnn and rnn-compile")
worker.serve(Peer())
