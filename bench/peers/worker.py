"""What every Python peer shares: reading the case that perplex exported, and the conversation with run.py.

A peer is a process that stays alive through all cases (libraries load once) and is idle (blocked on its standard input) while
others are measured. It reads one command a line and answers with one JSON object a line:

    case PATH    the case that perplex exported -> {"case": true}, or false and the "reason" that it cannot be done
    check K      K training steps from the initial weights -> {"losses": [...]} mean nats per token of each step
    time S       whole training steps for at least S seconds -> {"tokens_per_s", "seconds", "steps", "use"}
    quit
"""

import json
import os
import struct
import sys
import time


def read_case(path):
    """The tensors of a safetensors file as {name: (dtype, shape, bytes)}; only numpy is needed to use them."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        base = file.tell()
        case = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            file.seek(base + begin)
            case[name] = (entry["dtype"], entry["shape"], file.read(end - begin))
    return case


def to_numpy(entry):
    import numpy

    dtype, shape, data = entry
    return numpy.frombuffer(data, {"F32": "<f4", "I32": "<i4"}[dtype]).reshape(shape).copy()


class Refused(Exception):
    """A case that a peer cannot do, with the reason; the next one may be another."""


def serve(peer):
    """peer has versions (a dict), load(case), reset(), step() -> loss handle, loss(handle) -> float, wait(), tokens_per_step."""
    answer({"ready": True, "versions": peer.versions})
    for line in sys.stdin:
        words = line.split()
        if words[0] == "quit":
            return
        if words[0] == "case":
            try:
                peer.load(read_case(line.split(maxsplit=1)[1].strip()))
                answer({"case": True})
            except Refused as reason:
                answer({"case": False, "reason": str(reason)})
        elif words[0] == "check":
            peer.reset()
            answer({"losses": [peer.loss(peer.step()) for _ in range(int(words[1]))]})
        elif words[0] == "time":
            answer(measure(peer, float(words[1])))


def measure(peer, seconds):
    peer.step()  # caches, clocks and idle threads wake up; not timed
    peer.wait()
    steps = 0
    begin, cpu = time.perf_counter(), time.process_time()
    while True:
        peer.step()
        steps += 1
        if time.perf_counter() - begin >= seconds:
            peer.wait()
            break
        if steps % peer.steps_between_waits == 0:
            peer.wait()
    spent = time.perf_counter() - begin
    return {
        "tokens_per_s": steps * peer.tokens_per_step / spent,
        "seconds": spent,
        "steps": steps,
        "use": (time.process_time() - cpu) / spent,
    }


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def fail(reason):
    """Ends a peer that can do no case here; run.py reports the reason in its table."""
    answer({"ready": False, "reason": reason})
    sys.exit(0)


def quiet_stdout():
    """Libraries print to standard output; the conversation must stay clean."""
    real = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(real, "w")
