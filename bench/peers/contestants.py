"""Who takes part in a table of bench/peers: perplex itself, and the peers, each a process that lives through all cases."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


class Ours:
    """perplex bench as a subprocess for each turn; the case's weights and batches are exported on the way."""

    name = "perplex"

    def __init__(self, options, case, threads, path):
        self.command = [options.perplex, "bench", "--json", "--work", options.work, "--threads", str(threads), "--device", options.device]
        self.command += ["--precision", options.precision]
        for key in ("batch", "steps", "embed", "hidden", "layers", "vocab"):
            self.command += [f"--{key}", str(case[key])]
        self.command += ["--cell", case.get("cell", "tanh"), "--recurrence", case.get("recurrence", "auto")]
        self.result = self.run(0.1, ["--export", str(path)])
        self.losses = self.result["cases"][0]["losses"]

    def run(self, seconds, extra=()):
        # a spread that is never reached: the turn lasts as long as a peer's
        command = self.command + ["--case-seconds", str(seconds), "--spread", "1e-6", *extra]
        # a session of its own: Ctrl-C is ours to handle
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        if done.returncode != 0:
            sys.exit(f"peers: {shlex.join(command)}: exit status {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def turn(self, seconds):
        self.result = self.run(seconds)
        case = self.result["cases"][0]
        return {key: case[key] for key in ("tokens_per_s", "share_of_peak", "spread", "disturbed", "contended")}

    def close(self):
        pass


class Peer:
    """A worker process (worker.py's conversation)."""

    def __init__(self, name, command, environment):
        self.name, self.reason, self.versions, self.ready = name, "", {}, False
        self.errors = tempfile.TemporaryFile(mode="w+")
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
                                            env=environment, start_new_session=True)
        except OSError as error:
            self.process, self.reason = None, str(error)
            return
        first = self.read()
        if first and not first.get("ready"):
            self.reason = first.get("reason", "did not start")
        elif first:
            self.ready, self.versions = True, first.get("versions", {})

    def read(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.errors.seek(0)
        self.reason = "ended: " + " ".join(self.errors.read().split())[-300:]
        return None

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        return self.read()

    def load(self, path):
        """Reads a case; the reason for a refusal is of that case alone."""
        if not self.ready:
            return
        self.reason = ""
        answer = self.ask(f"case {path}")
        if answer and not answer["case"]:
            self.reason = answer["reason"]

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def fell(self):
        """Ended in the middle of a case; one that could not even begin has said why, and would say it again."""
        return self.ready and not self.alive()

    def check(self, losses, tolerance):
        """Largest difference of the first losses; a peer that does other work is not timed."""
        answer = self.ask(f"check {len(losses)}")
        if not answer:
            return None
        difference = max(abs(a - b) for a, b in zip(answer["losses"], losses))
        if not difference <= tolerance:
            self.reason = f"its losses differ by {difference:.2e} nats, more than {tolerance:g}: not timed"
        return difference

    def turn(self, seconds):
        return self.ask(f"time {seconds}")

    def close(self):
        if self.process and not self.process.stdout.closed:
            if self.process.poll() is None:
                try:
                    self.process.stdin.write("quit\n")
                    self.process.stdin.close()
                except BrokenPipeError:
                    pass
                self.process.wait()
            self.process.stdout.close()


class Peers:
    """The peers of all cases: one process for each program and number of threads, started when it is first needed."""

    def __init__(self, options):
        self.options, self.started = options, {}

    def of_case(self, name, gated, threads, most_threads, path):
        """Each peer that takes part in the case, which it has read; where it could not, its `reason` says why. gated: not tanh."""
        for who, command in self.commands(name, gated, threads, most_threads):
            key = (who, threads)
            if key not in self.started or self.started[key].fell():
                self.started[key] = Peer(who, command, {**os.environ, "OMP_NUM_THREADS": str(threads)})
            self.started[key].load(path)
            yield self.started[key]

    def commands(self, name, gated, threads, most_threads):
        options = self.options
        common = ["--device", options.device, "--threads", str(threads), "--precision", options.precision]
        if options.work != "train":
            common += ["--work", options.work]
        for variant in options.variants if options.torch_python else ():
            if gated and not variant.startswith("rnn"):
                continue
            slow = variant not in ("rnn", "rnn-graph")
            if slow and not (name in options.compile_cases and (threads == most_threads or options.quick)):
                continue
            yield f"torch {variant}", [options.torch_python, str(HERE / "torch_peer.py"), "--variant", variant, *common]
        if gated:
            return  # the other peers are written for tanh
        if options.jax_python:
            yield "jax scan", [options.jax_python, str(HERE / "jax_peer.py"), *common]
        if options.onednn and options.device == "cpu" and options.precision == "fp32" and options.work == "train":
            yield "oneDNN rnn", [options.onednn, str(threads)]

    def close(self):
        for peer in self.started.values():
            peer.close()
