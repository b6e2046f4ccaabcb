# shellcheck shell=bash
# Sourced by measure.sh, products.sh and peers/run.sh: a short name of this machine for a folder, "amd-epyc-2-cores".
px_machine_label() {
    local model
    model=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
    [ -n "$model" ] || model=$(uname -m)
    printf '%s-%s-cores\n' "$(printf '%s' "$model" | tr '[:upper:]' '[:lower:]' | sed 's/([^)]*)//g; s/@.*//; s/[^a-z0-9]\{1,\}/-/g; s/^-//; s/-$//')" "$(nproc)"
}
