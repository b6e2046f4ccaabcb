#!/usr/bin/env bash
# A disk that is full while a checkpoint is written: a clear message, status 1, and nothing is lost but the steps since. As root on a
# small disk in memory; everywhere with a limit on the size of a file, which fails in the middle of a file as well.
. "$(dirname "$0")/../cli/lib.sh"
. "$(dirname "$0")/runs.sh"
make_text text.txt 1500
FLAGS=(--hidden 160 --batch 8 --steps 12 --max-steps 90 --log-every 5 --checkpoint-every 30 --valid-every 45 --keep 1 --threads 1 --split 0.8,0.1,0.1 --dropout 0.2)
job whole "${FLAGS[@]}"
done_with "the uninterrupted run" 0
bytes=$(stat -c %s whole/run/last.safetensors)
job part "${FLAGS[@]}" --max-steps 40 --schedule-steps 90
sed -i '/"event":"end"/d' part/run/metrics.jsonl
names() { (cd "$1" && ls -a); }

# full NAME: after a job in NAME/run met a full disk.
full() {
    done_with "$2: status 1" 1
    must "$2: one line says which file, and why" grep -qE '^perplex: .*\.safetensors: writing failed: (No space left|File too large)' "$ERR"
    must "$2: the last complete checkpoint is as it was" cmp part/run/last.safetensors "$1/run/last.safetensors"
    must "$2: nothing half-written stays behind" test -z "$(find "$1/run" -name '*.tmp.*')"
}
again() {
    job "$1" "${FLAGS[@]}" --schedule-steps 90
    done_with "$2: with room again it goes on to the end" 0
    must "$2: it ends as the uninterrupted run" same_run whole/run "$1/run"
}

# ---- a limit on the size of a file: it ends in the middle of the checkpoint
cp -r part limit
(
    ulimit -f $((bytes / 2 / 1024))
    job limit "${FLAGS[@]}" --schedule-steps 90
    exit "$status"
)
status=$?
full limit "a file-size limit in the middle of a checkpoint"
again limit "a file-size limit"

# ---- a small disk
if [ "$(id -u)" != 0 ]; then
    skip "a full disk" "a small disk can only be made by root"
elif ! mkdir small || ! mount -t tmpfs -o size=$((8 * bytes)) perplex-test small 2>"$ERR"; then
    skip "a full disk" "no small disk can be mounted here: $(head -c 100 "$ERR")"
else
    trap 'umount small 2>/dev/null || umount -l small; rm -rf "$WORK"' EXIT
    cp -r part/. small/
    dd if=/dev/zero of=small/filler bs=4096 2>/dev/null
    room=$((bytes / 2))
    truncate -s $(($(stat -c %s small/filler) - room)) small/filler
    job small "${FLAGS[@]}" --schedule-steps 90
    full small "a full disk"
    rm small/filler
    again small "a full disk"
fi

# ---- a full disk behind standard output: the run still stops with a checkpoint, and its status says so
if [ -w /dev/full ]; then
    for json in "" --json; do
        # shellcheck disable=SC2086
        "$PERPLEX" train --data text.txt --run "deaf$json" "${PLAIN[@]}" "${FLAGS[@]}" --max-steps 100000000 --schedule-steps 90 --time-limit 2 --time-margin 1 \
            $json >/dev/full 2>"$ERR" </dev/null
        status=$?
        : >"$OUT"
        done_with "a run that cannot write to standard output and is stopped $json: status 75" 75
        must "one line says why $json" grep -q '^perplex: standard output: ' "$ERR"
        must "its checkpoint is there $json" test -s "deaf$json/last.safetensors"
    done
else skip "a full disk behind standard output" "there is no /dev/full"; fi
finish
