/* How a cluster's blocks share a layer of a certain width out among their warps, for the variant "persistent": W_hh
 * stays on chip.
 *
 * A cluster of BLOCKS blocks holds the layer's whole W_hh, UNITS = WIDTH / BLOCKS rows (backward: columns) a block;
 * narrower layers are padded with zeros. A block's warps are a table of unit groups by slices of k: a warp has KEPT
 * pieces of W_hh in registers for the whole window, and what does not fit there in shared memory. Rows of the state are
 * in words of 32 bits: two bf16, or one fp32 or tf32.
 *
 * Shared memory of a block: two mbarriers | the state, twice | partial products | the rest of W_hh. */
#ifndef PX_PERSISTENT_PLAN_H
#define PX_PERSISTENT_PLAN_H

#include "matrix.h"
#include "precision.h"

enum { PERSISTENT_STATE_AT = 128 }; /* bytes; the barriers stand before it */

/* What both kinds of product have. STREAMS: of a cluster, at most. */
template <px_precision OPERAND_, int WIDTH_, int BLOCKS_, int WARPS_, int SLICES_, int STREAMS_, int REST_BYTES>
struct persistent_plan {
    static constexpr px_precision OPERAND = OPERAND_;
    static constexpr int WIDTH = WIDTH_, BLOCKS = BLOCKS_, UNITS = WIDTH / BLOCKS, WARPS = WARPS_, SLICES = SLICES_,
                         STREAMS = STREAMS_;
    static constexpr int THREADS = WARPS * PX_WARP, PER_WORD = OPERAND == PX_BF16 ? 2 : 1, WORDS = WIDTH / PER_WORD;
    /* Words between rows: eight lanes that read 16 bytes each, four of a row, meet all 32 banks; sums of four columns
     * meet none twice. */
    static constexpr int STATE_STRIDE = WORDS + 16, PARTIAL_STRIDE = UNITS + 4;
    static constexpr int PAIRS = (STREAMS * UNITS / 2 + THREADS - 1) / THREADS; /* of units that a thread finishes */
    static constexpr size_t PARTIAL_AT = PERSISTENT_STATE_AT + size_t(2) * STREAMS * STATE_STRIDE * 4;
    static constexpr size_t REST_AT = PARTIAL_AT + size_t(SLICES) * STREAMS * PARTIAL_STRIDE * 4,
                            BYTES = REST_AT + REST_BYTES;
    static_assert(UNITS * BLOCKS == WIDTH && UNITS % 8 == 0, "a block's units make whole 16 bytes in every precision");
    static_assert(WORDS % 32 == 0, "banks");
    static_assert(BYTES <= 227 * 1024, "what a block may have");
};

/* Tensor cores: tiles of 16 units, steps of 8 words of k, 8 streams. A warp has M tiles and K steps; KEPT of these M K
 * fragments are in registers. */
template <px_precision OPERAND, int WIDTH, int BLOCKS, int M_, int K_, int KEPT_>
struct matrix_plan
    : persistent_plan<OPERAND, WIDTH, BLOCKS, WIDTH / BLOCKS / 16 / M_ *(WIDTH / (OPERAND == PX_BF16 ? 16 : 8) / K_),
                      WIDTH / (OPERAND == PX_BF16 ? 16 : 8) / K_, 8,
                      WIDTH / BLOCKS / 16 / M_ *(WIDTH / (OPERAND == PX_BF16 ? 16 : 8) / K_) * (M_ * K_ - KEPT_) *
                          512> {
    static constexpr int M = M_, K = K_, FRAGMENTS = M * K, KEPT = KEPT_, UNIT_WARPS = WIDTH / BLOCKS / 16 / M;
    static_assert(UNIT_WARPS * M * 16 * BLOCKS == WIDTH && matrix_plan::SLICES * K * 8 == matrix_plan::WORDS,
                  "whole tiles");
    static_assert(K % 2 == 0, "a lane reads the state of two steps at once");
};

/* fp32 multiplications. A lane has tiles of 4 units by QUADS quads of k; LANES of a warp's lanes stand along the units
 * and 32 / LANES along k. KEPT tiles follow each other along k in registers, REST more in shared memory. GROUP streams
 * are multiplied at a time. */
template <int WIDTH, int BLOCKS, int LANES_, int QUADS_, int KEPT_, int REST_, int GROUP_, int STREAMS>
struct vector_plan
    : persistent_plan<PX_FP32, WIDTH, BLOCKS,
                      WIDTH / BLOCKS / (LANES_ * 4) * (WIDTH / (32 / LANES_ * QUADS_ * 4 * (KEPT_ + REST_))),
                      WIDTH / (32 / LANES_ * QUADS_ * 4 * (KEPT_ + REST_)), STREAMS,
                      WIDTH / BLOCKS / (LANES_ * 4) * (WIDTH / (32 / LANES_ * QUADS_ * 4 * (KEPT_ + REST_))) * REST_ *
                          QUADS_ * 2048> {
    static constexpr int LANES = LANES_, K_LANES = 32 / LANES, QUADS = QUADS_, KEPT = KEPT_, REST = REST_,
                         TILES = KEPT + REST;
    static constexpr int GROUP = GROUP_, TILE_UNITS = LANES * 4, TILE_K = K_LANES * QUADS * 4;
    static constexpr int UNIT_WARPS = WIDTH / BLOCKS / TILE_UNITS;
    static_assert(UNIT_WARPS * TILE_UNITS * BLOCKS == WIDTH && vector_plan::SLICES * TILES * TILE_K == WIDTH,
                  "whole tiles");
    static_assert(K_LANES == 4 || K_LANES == 8, "how sums are joined");
    static_assert(STREAMS % GROUP == 0, "whole groups");
};

/* The widths that are built, each with the blocks of its cluster and its plan; a layer takes the first that it fits
 * into. What is good for which width is the prototype's measurement on an H200 (bench/results names it once this form
 * has been timed). */
#define PX_PERSISTENT_BF16(X)                                                                                          \
    X(64, 4, 1, 2, 2)                                                                                                  \
    X(256, 4, 2, 4, 8) X(512, 8, 2, 4, 8) X(768, 8, 3, 6, 18) X(1024, 16, 2, 8, 16) X(1536, 16, 3, 12, 18)
#define PX_PERSISTENT_TF32(X)                                                                                          \
    X(64, 4, 1, 4, 4) X(256, 4, 4, 4, 16) X(512, 8, 2, 8, 16) X(768, 16, 3, 8, 24) X(1024, 16, 4, 16, 32)
/* width, blocks, LANES, QUADS, KEPT, REST, most streams */
#define PX_PERSISTENT_FP32(X)                                                                                          \
    X(64, 4, 4, 2, 1, 0, 16)                                                                                           \
    X(256, 4, 8, 4, 1, 0, 16) X(512, 8, 8, 4, 1, 0, 16) X(768, 16, 4, 6, 1, 0, 16) X(1024, 16, 8, 4, 2, 2, 8)

#endif
