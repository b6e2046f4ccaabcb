# shellcheck shell=bash
# wait_for COMMAND...: until it succeeds; fails after ten minutes. How long something takes is no concern of a test.
wait_for() {
    local end=$((SECONDS + 600))
    until "$@" 2>/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}
