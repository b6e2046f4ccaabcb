# What many ranks cost on paper: bytes that each rank sends per step against the seconds that its computing takes. See docs/manual/ranks.md.
#
#   awk -f scaling.awk                          the tables of docs/manual/ranks.md, as Markdown
#   awk -v check=ranks.json -f scaling.awk      a prediction beside what bench/ranks.sh measured
#
# One step: n streams in all, T steps each; h hidden units, one layer, one-hot input, V words.
#   weights      P = 2 V h + h^2 + h + V                               (W_xh, W_hq, W_hh, biases)
#   operations   6 n T (V h + h^2)      per step in all; forward 2, backward 4; the one-hot input costs no product
#   compute      operations / ranks / (share of peak * peak)
#   fast         a ring: 2 (R - 1) / R * 4 P bytes sent by each rank, at the link's rate
#   tree         log2 R rounds of 4 P bytes each way, then added (memory-bound: 12 P bytes)
# Overlap: all but the first part (the last part to become final is layer 0 with the token table) can hide behind the backward pass; the
# table shows the worse case without overlap, and the step at which even perfect overlap no longer pays.

function weights(h, V) { return 2 * V * h + h * h + h + V }
function compute_s(h, V, n, T, R, gflops) { return 6 * n * T * (V * h + h * h) / R / (gflops * 1e9) }
function ring_s(P, R, rate, latency) { return R == 1 ? 0 : 2 * (R - 1) / R * 4 * P / rate + 2 * (R - 1) * latency }
function tree_s(P, R, rate, memory, latency,   rounds) { rounds = log(R) / log(2); return rounds * (4 * P / rate + 12 * P / memory + latency) }
function number(x) { return x >= 100 ? sprintf("%.0f", x) : x >= 10 ? sprintf("%.1f", x) : sprintf("%.2f", x) }

function table(device, gflops, n, T,   i, j, k, h, V, P, c, r, line) {
    printf "%s, %d streams on each rank, T = %d; 8 ranks, fast (ring)\n\n", device, n, T
    printf "| h | V | weights | MB sent per rank and step | computing, ms |"
    for (k = 1; k <= links; k++) printf " %s, ms (efficiency) |", link[k]
    printf "\n|---:|---:|---:|---:|---:|"
    for (k = 1; k <= links; k++) printf "---:|"
    printf "\n"
    for (i = 1; i <= 4; i++)
        for (j = 1; j <= 3; j++) {
            h = hidden[i]; V = words[j]
            P = weights(h, V)
            c = compute_s(h, V, n * 8, T, 8, gflops)
            printf "| %d | %d | %.1f M | %s | %s |", h, V, P / 1e6, number(2 * 7 / 8 * 4 * P / 1e6), number(c * 1e3)
            for (k = 1; k <= links; k++) {
                r = ring_s(P, 8, rate[k], delay[k])
                printf " %s (%.0f %%) |", number(r * 1e3), 100 * c / (c + r)
            }
            printf "\n"
        }
    printf "\n"
}

BEGIN {
    links = 4
    link[1] = "NVLink 4"; rate[1] = 360e9; delay[1] = 3e-6
    link[2] = "InfiniBand NDR"; rate[2] = 45e9; delay[2] = 4e-6
    link[3] = "Ethernet 25 Gb"; rate[3] = 2.8e9; delay[3] = 20e-6
    link[4] = "Ethernet 1 Gb"; rate[4] = 0.115e9; delay[4] = 60e-6
    split("512 1024 2048 4096", hidden, " ")
    split("10000 50000 250000", words, " ")
    if (check != "") { compare(); exit }
    table("GPU at 250 TFLOP/s (bf16, half of an H100's peak)", 250e3, 64, 35)
    table("CPU at 1.5 TFLOP/s (32 cores, fp32)", 1.5e3, 64, 35)
    # Where it stops paying: streams per rank at which the sums take as long as the computing (both grow with V h, so h and V cancel for large V).
    printf "Tokens per rank and step (n T) below which sums take longer than computing (8 ranks, large V):\n\n| |"
    for (k = 1; k <= links; k++) printf " %s |", link[k]
    printf "\n|---|"
    for (k = 1; k <= links; k++) printf "---:|"
    # 6 n T V h / F = 2 * 7/8 * 4 * 2 V h / rate  ->  n T = 14/6 F / rate
    printf "\n| GPU, 250 TFLOP/s |"
    for (k = 1; k <= links; k++) printf " %.0f |", 14 / 6 * 250e12 / rate[k]
    printf "\n| CPU, 1.5 TFLOP/s |"
    for (k = 1; k <= links; k++) printf " %.0f |", 14 / 6 * 1.5e12 / rate[k]
    printf "\n"
}

# ranks.json: one measurement a line, as bench/ranks.sh writes it.
function field(line, name,   at) {
    at = index(line, "\"" name "\":")
    return at ? substr(line, at + length(name) + 3) + 0 : 0
}
# The first line (one rank) gives the speed of the machine; the others are predicted from it. Ranks on one machine share its cores and memory:
# `memory` bytes/s stand for the link as well (a copy in, a copy out).
function compare(   line, h, V, n, T, R, threads, P, got, want, base, copy) {
    copy = memory > 0 ? memory : 8e9
    printf "| ranks | threads each | measured ms/step | predicted | ratio |\n|---:|---:|---:|---:|---:|\n"
    while ((getline line < check) > 0) {
        if (index(line, "\"ranks\":") == 0) continue
        h = field(line, "h"); V = field(line, "V"); n = field(line, "n"); T = field(line, "T")
        R = field(line, "ranks"); threads = field(line, "threads"); got = field(line, "ms_per_step")
        P = weights(h, V)
        if (base == 0) base = got * R * threads
        want = base / (R * threads) + 1e3 * tree_s(P, R, copy / 2, copy, 20e-6)
        printf "| %d | %d | %.1f | %.1f | %.2f |\n", R, threads, got, want, got / want
    }
    close(check)
}
