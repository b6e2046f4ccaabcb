#!/usr/bin/env bash
# perplex beside PyTorch, JAX and oneDNN's RNN primitive, in one run, into bench/results/DATE-PROCESSOR/peers/ (peers.json, peers.md).
# Peers that are not there are left out: PERPLEX_TORCH_PYTHON and PERPLEX_JAX_PYTHON name interpreters (python3 is tried for
# both); oneDNN's program is built here. Every argument goes on to run.py (--help lists them).
set -euo pipefail
export LC_ALL=C # numbers with a point, whatever the user's language
cd "$(dirname "$0")/../.."

case " $* " in *" --help "* | *" -h "*) exec python3 bench/peers/run.py --help ;; esac
program=${PERPLEX:-build/perplex}
[ -x "$program" ] || { echo "run.sh: $program is not there; ./quickstart.sh builds it, or set PERPLEX" >&2; exit 2; }

# can_import INTERPRETER MODULE
can_import() { "$1" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$2') is None)" 2>/dev/null; }

peers=()
torch=${PERPLEX_TORCH_PYTHON:-python3}
if can_import "$torch" torch; then peers+=(--torch-python "$torch")
else echo "run.sh: no PyTorch: $torch cannot import torch; set PERPLEX_TORCH_PYTHON" >&2; fi
jax=${PERPLEX_JAX_PYTHON:-python3}
if can_import "$jax" jax; then peers+=(--jax-python "$jax")
else echo "run.sh: no JAX: $jax cannot import jax; set PERPLEX_JAX_PYTHON" >&2; fi
built=${PERPLEX_PEERS_BUILD:-build/peers}
if cmake -S bench/peers -B "$built" >/dev/null && cmake --build "$built" --target onednn_peer >/dev/null; then peers+=(--onednn "$built/onednn_peer")
else echo "run.sh: oneDNN's program could not be built; cmake --build $built --target onednn_peer says why" >&2; fi

# shellcheck source=bench/label.sh
. bench/label.sh
case " $* " in *" --work evaluate "*) folder="peers-evaluate" ;; *) folder="peers" ;; esac
exec python3 bench/peers/run.py --perplex "$program" "${peers[@]}" --out "bench/results/$(date -u +%F)-$(px_machine_label)/$folder" "$@"
