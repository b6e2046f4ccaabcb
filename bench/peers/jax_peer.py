#!/usr/bin/env python3
"""JAX as a peer: lax.scan over time, the whole training step (gradient, clipping, SGD) in one jitted function; with --work
evaluate its forward pass and loss alone.

A one-hot input is a row of W_xh, as jnp.take; XLA is told how many threads to use through XLA_FLAGS.
"""

import argparse
import os

import worker


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("fp32", "tf32"), default="fp32")
    parser.add_argument("--work", choices=("train", "evaluate"), default="train")
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--clip", type=float, default=1.0)
    return parser.parse_args()


options = arguments()
worker.quiet_stdout()
multi = "true" if options.threads > 1 else "false"
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={multi} intra_op_parallelism_threads={options.threads}"
os.environ["OMP_NUM_THREADS"] = str(options.threads)
if options.device == "cpu":
    os.environ["JAX_PLATFORMS"] = "cpu"
    if hasattr(os, "sched_setaffinity"):  # XLA's pools size themselves by the processors they may use
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    worker.fail(f"JAX cannot be imported: {error}")

jax.config.update("jax_default_matmul_precision", "float32" if options.precision == "fp32" else "tensorfloat32")


def forward(parameters, tokens, targets, state):
    layers, table = parameters["layers"], parameters.get("table")
    x = jnp.take(table, tokens, axis=0) if table is not None else None
    last = []
    for index, (w_xh, w_hh, bias) in enumerate(layers):
        z = (jnp.take(w_xh, tokens, axis=0) if x is None else x @ w_xh) + bias

        def cell(h, z_t, w_hh=w_hh):
            h = jnp.tanh(z_t + h @ w_hh)
            return h, h

        h, x = jax.lax.scan(cell, state[index], z)
        last.append(h)
    logits = x @ parameters["w_hq"] + parameters["b_q"]
    log_p = jax.nn.log_softmax(logits)
    loss = -jnp.mean(jnp.take_along_axis(log_p, targets[..., None], axis=-1))
    return loss, jnp.stack(last)


def train_step(parameters, tokens, targets, state):
    (loss, state), gradients = jax.value_and_grad(forward, has_aux=True)(parameters, tokens, targets, state)
    norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree_util.tree_leaves(gradients)))
    scale = options.lr * (options.clip / jnp.maximum(options.clip, norm) if options.clip > 0 else 1.0)
    return jax.tree_util.tree_map(lambda p, g: p - scale * g, parameters, gradients), state, loss


class Peer:
    steps_between_waits = 20

    def __init__(self):
        self.run = jax.jit(forward) if options.work == "evaluate" else jax.jit(train_step, donate_argnums=(0, 3))
        self.versions = {"jax": jax.__version__, "device": str(jax.devices()[0]), "threads": options.threads}

    def load(self, case):
        if "decoder.weight" not in case:
            raise worker.Refused("tied embeddings are not part of this comparison")
        self.case = case
        self.tokens, self.targets = (jnp.asarray(worker.to_numpy(case[f"bench.{name}"])) for name in ("tokens", "targets"))
        self.tokens_per_step = self.tokens.shape[1] * self.tokens.shape[2]
        self.reset()

    def reset(self):
        tensor = lambda name: jnp.asarray(worker.to_numpy(self.case[name]))
        count = sum(name.startswith("rnn.weight_hh_l") for name in self.case)
        self.parameters = {
            "layers": [(tensor(f"rnn.weight_ih_l{i}").T, tensor(f"rnn.weight_hh_l{i}").T, tensor(f"rnn.bias_ih_l{i}")) for i in range(count)],
            "w_hq": tensor("decoder.weight").T,
            "b_q": tensor("decoder.bias"),
        }
        if "encoder.weight" in self.case:
            self.parameters["table"] = tensor("encoder.weight")
        self.shape = (count, self.tokens.shape[2], tensor("rnn.weight_hh_l0").shape[0])
        self.window = 0

    def step(self):
        at = self.window % self.tokens.shape[0]
        if at == 0:
            self.state = jnp.zeros(self.shape)
        self.window += 1
        result = self.run(self.parameters, self.tokens[at], self.targets[at], self.state)
        if options.work == "evaluate":
            loss, self.state = result
        else:
            self.parameters, self.state, loss = result
        self.last = loss
        return loss

    def loss(self, handle):
        return float(handle)

    def wait(self):
        self.last.block_until_ready()


worker.serve(Peer())
