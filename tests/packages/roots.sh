# shellcheck shell=bash
# Bare roots for tests (sourced after lib.sh and scripts/bare_root.sh). Where there can be none the test is skipped.

# need_roots TEST: ends it with a SKIP where this machine makes no bare roots.
need_roots() {
    local why
    why=$(px_roots_possible)
    [ -z "$why" ] || { echo "SKIP: $1: $why"; exit 77; }
    PERPLEX_DEBS=${PERPLEX_DEBS:-$WORK/debs}
}

# root_of SUITE: a fresh root in $ROOT; 1, and a SKIP, where the mirror has no such suite.
root_of() {
    px_mirror_of "$1" >/dev/null || { echo "SKIP: packages: no mirror here has Debian's $1 (PERPLEX_MIRROR)"; return 1; }
    ROOT=$WORK/$1.$((++roots_made))
    attempt px_make_root "$1" "$ROOT"
    must "a bare $1" ended 0
}
roots_made=0

# in_root COMMAND..., as_user COMMAND...: in $ROOT, as root or as an ordinary user.
in_root() { PX_USER='' attempt px_in_root "$ROOT" "$@"; }
as_user() { PX_USER=1000:1000 attempt px_in_root "$ROOT" "$@"; }

# What a user does first, with the program P: a text, a tiny training, its perplexity, a page.
FIRST_STEPS='set -e
cd ~
awk '\''BEGIN { for (i = 0; i < 900; i++) printf "the %d kings went to river %d and saw %d stones\n", i % 7, i % 11, i % 13 }'\'' >text.txt
rm -rf run
$P train --data text.txt --run run --hidden 16 --batch 8 --steps 16 --max-steps 40 --threads 1 --seed 3
$P eval --split-of run test
$P sample --model run --prompt "the " --length 100 --seed 1
echo
sha256sum run/best.safetensors
'
weights() { grep -aoE '^[0-9a-f]{64}  run/best\.safetensors$' "$OUT" | cut -d ' ' -f 1; }
