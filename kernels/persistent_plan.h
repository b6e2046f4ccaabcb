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

/* What both kinds of product have. STREAMS: of a cluster, at most. ROWS: of a block, in the product that it makes of a
 * state of STATE_WORDS words. One gate: its units, and one word or half a word for every unit. Of a cell with GATES
 * gates the forward product has a row for each of a unit's gates, and the backward one takes a state with a segment of
 * WIDTH for each gate. */
template <px_precision OPERAND_, int WIDTH_, int BLOCKS_, int GATES_, bool BACKWARD_, int BUFFERS_ = 2>
struct persistent_shape {
    static constexpr int BUFFERS = BUFFERS_; /* for the state */
    static constexpr px_precision OPERAND = OPERAND_;
    static constexpr int WIDTH = WIDTH_, BLOCKS = BLOCKS_, GATES = GATES_, UNITS = WIDTH / BLOCKS;
    static constexpr int PER_WORD = OPERAND == PX_BF16 ? 2 : 1;
    static constexpr int ROWS = UNITS * (BACKWARD_ ? 1 : GATES);
    static constexpr int STATE_WORDS = WIDTH / PER_WORD * (BACKWARD_ ? GATES : 1);
    static_assert(UNITS * BLOCKS == WIDTH && UNITS % 8 == 0, "a block's units make whole 16 bytes in every precision");
    static_assert(STATE_WORDS % 32 == 0, "banks");
};

/* Where a stream's word of the state lies in a buffer, in words; and the other way round, also of what only fills it
 * up: then there is no such stream, or no such word. Row by row: eight lanes that read 16 bytes each, four of a row,
 * meet all 32 banks. */
template <int STATE_WORDS, int STREAMS> struct state_rows {
    static constexpr int STATE_STRIDE = STATE_WORDS + 16, BUFFER_WORDS = STREAMS * STATE_STRIDE;
    static __device__ __forceinline__ int state_at(int stream, int word) { return stream * STATE_STRIDE + word; }
    static __device__ __forceinline__ int stream_at(int p) { return p / STATE_STRIDE; }
    static __device__ __forceinline__ int word_at(int p) { return p % STATE_STRIDE; }
};

/* Four words of every stream, then the next four, as a warpgroup's products take it (warpgroup.h). What comes from
 * another block are quads of one stream; 16 bytes between the quads' rows spread them over the banks. */
template <int STATE_WORDS, int STREAMS> struct state_quads {
    static constexpr int QUAD_STRIDE = STREAMS * 4 + 4, BUFFER_WORDS = STATE_WORDS / 4 * QUAD_STRIDE;
    static __device__ __forceinline__ int state_at(int stream, int word)
    {
        return word / 4 * QUAD_STRIDE + stream * 4 + word % 4;
    }
    static __device__ __forceinline__ int stream_at(int p) { return p % QUAD_STRIDE / 4; }
    static __device__ __forceinline__ int word_at(int p) { return p / QUAD_STRIDE * 4 + p % 4; }
};

template <class SHAPE, int WARPS_, int SLICES_, int STREAMS_, int REST_BYTES,
          template <int, int> class LAYOUT = state_rows>
struct persistent_plan : SHAPE, LAYOUT<SHAPE::STATE_WORDS, STREAMS_> {
    static constexpr int WARPS = WARPS_, SLICES = SLICES_, STREAMS = STREAMS_, THREADS = WARPS * PX_WARP;
    static constexpr int BUFFER_WORDS = LAYOUT<SHAPE::STATE_WORDS, STREAMS_>::BUFFER_WORDS;
    /* of words: sums of four columns meet no bank twice */
    static constexpr int PARTIAL_STRIDE = SHAPE::ROWS + 4;
    /* of units that a thread finishes */
    static constexpr int PAIRS = (STREAMS * SHAPE::UNITS / 2 + THREADS - 1) / THREADS;
    static constexpr size_t PARTIAL_AT = PERSISTENT_STATE_AT + size_t(SHAPE::BUFFERS) * BUFFER_WORDS * 4;
    static constexpr size_t REST_AT = PARTIAL_AT + size_t(SLICES) * STREAMS * PARTIAL_STRIDE * 4,
                            BYTES = REST_AT + REST_BYTES;
    static_assert(BYTES <= 227 * 1024, "what a block may have");
};

/* Tensor cores: tiles of 16 units, steps of 8 words of k, 8 streams. A warp has M tiles and K steps; KEPT of these M K
 * fragments are in registers. */
template <class SHAPE, int M, int K> struct matrix_warps {
    static constexpr int UNIT = SHAPE::ROWS / 16 / M, SLICES = SHAPE::STATE_WORDS / 8 / K, ALL = UNIT * SLICES;
    static_assert(UNIT * M * 16 == SHAPE::ROWS && SLICES * K * 8 == SHAPE::STATE_WORDS, "whole tiles");
};

template <class SHAPE, int M_, int K_, int KEPT_>
struct matrix_plan_of : persistent_plan<SHAPE, matrix_warps<SHAPE, M_, K_>::ALL, matrix_warps<SHAPE, M_, K_>::SLICES, 8,
                                        matrix_warps<SHAPE, M_, K_>::ALL *(M_ *K_ - KEPT_) * 512> {
    static constexpr int M = M_, K = K_, FRAGMENTS = M * K, KEPT = KEPT_,
                         UNIT_WARPS = matrix_warps<SHAPE, M_, K_>::UNIT;
    static_assert(K % 2 == 0, "a lane reads the state of two steps at once");
};

template <px_precision OPERAND, int WIDTH, int BLOCKS, int M, int K, int KEPT, int GATES = 1, bool BACKWARD = false>
struct matrix_plan : matrix_plan_of<persistent_shape<OPERAND, WIDTH, BLOCKS, GATES, BACKWARD>, M, K, KEPT> {
};

/* Warpgroups (warpgroup.h), for more streams: each has the block's 64 rows and a slice of k, whose fragments of W_hh
 * are all in registers. */
template <px_precision OPERAND, int WIDTH, int BLOCKS>
struct wide_shape : persistent_shape<OPERAND, WIDTH, BLOCKS, 1, false> {
    static_assert(WIDTH / BLOCKS == 64, "what a warpgroup's product has");
};

template <px_precision OPERAND, int WIDTH, int BLOCKS>
struct wide_plan : persistent_plan<wide_shape<OPERAND, WIDTH, BLOCKS>, 16, 4, 32, 0, state_quads> {
    static constexpr int STEPS = wide_plan::STATE_WORDS / 8 / wide_plan::SLICES; /* of a slice */
    static_assert(STEPS * wide_plan::SLICES * 8 == wide_plan::STATE_WORDS, "whole fragments");
};

/* fp32 multiplications. A lane has tiles of 4 units by QUADS quads of k; LANES of a warp's lanes stand along the units
 * and 32 / LANES along k. KEPT tiles follow each other along k in registers, REST more in shared memory. GROUP streams
 * are multiplied at a time. */
template <class SHAPE, int LANES, int QUADS, int TILES> struct vector_warps {
    static constexpr int UNIT = SHAPE::ROWS / (LANES * 4), SLICE_K = 32 / LANES * QUADS * 4 * TILES,
                         SLICES = SHAPE::STATE_WORDS / SLICE_K, ALL = UNIT * SLICES;
    static_assert(UNIT * LANES * 4 == SHAPE::ROWS && SLICES * SLICE_K == SHAPE::STATE_WORDS, "whole tiles");
};

template <class SHAPE, int LANES_, int QUADS_, int KEPT_, int REST_, int GROUP_, int STREAMS>
struct vector_plan_of
    : persistent_plan<SHAPE, vector_warps<SHAPE, LANES_, QUADS_, KEPT_ + REST_>::ALL,
                      vector_warps<SHAPE, LANES_, QUADS_, KEPT_ + REST_>::SLICES, STREAMS,
                      vector_warps<SHAPE, LANES_, QUADS_, KEPT_ + REST_>::ALL * REST_ * QUADS_ * 2048> {
    static constexpr int LANES = LANES_, K_LANES = 32 / LANES, QUADS = QUADS_, KEPT = KEPT_, REST = REST_,
                         TILES = KEPT + REST;
    static constexpr int GROUP = GROUP_, TILE_UNITS = LANES * 4, TILE_K = K_LANES * QUADS * 4;
    static constexpr int UNIT_WARPS = vector_warps<SHAPE, LANES_, QUADS_, KEPT_ + REST_>::UNIT;
    static_assert(K_LANES == 4 || K_LANES == 8, "how sums are joined");
    static_assert(STREAMS % GROUP == 0, "whole groups");
};

template <int WIDTH, int BLOCKS, int LANES, int QUADS, int KEPT, int REST, int GROUP, int STREAMS, int GATES = 1,
          bool BACKWARD = false>
struct vector_plan : vector_plan_of<persistent_shape<PX_FP32, WIDTH, BLOCKS, GATES, BACKWARD>, LANES, QUADS, KEPT, REST,
                                    GROUP, STREAMS> {
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

/* Of the variant "wide": width and blocks. */
#define PX_WIDE_BF16(X) X(128, 2) X(256, 4) X(512, 8) X(1024, 16)
#define PX_WIDE_TF32(X) X(128, 2) X(256, 4) X(512, 8)

/* The same for cells that keep gates; both directions and every cell have the same plan, with warps in proportion to
 * the gates. */
#define PX_PERSISTENT_GATES_BF16(X) X(64, 4, 1, 4, 4) X(256, 8, 2, 8, 16) X(512, 16, 2, 8, 16)
#define PX_PERSISTENT_GATES_TF32(X) X(64, 4, 1, 4, 4) X(256, 8, 2, 8, 16)
#define PX_PERSISTENT_GATES_FP32(X) X(64, 4, 4, 2, 1, 0, 16) X(256, 8, 8, 4, 1, 0, 16)

/* Of the variant "grid", whose blocks are as many as a width needs for all of W_hh to be in registers, and have one
 * buffer for the state: the rest of their shared memory is for GPUs that have less of it. */
#define PX_GRID_BF16(X)                                                                                                \
    X(64, 4, 1, 2, 2) X(256, 4, 2, 4, 8) X(512, 8, 2, 4, 8) X(1024, 16, 2, 8, 16) X(2048, 64, 2, 16, 32)
#define PX_GRID_TF32(X) X(64, 4, 1, 4, 4) X(256, 4, 4, 4, 16) X(512, 8, 2, 8, 16) X(1024, 32, 2, 8, 16)
#define PX_GRID_FP32(X)                                                                                                \
    X(64, 4, 4, 2, 1, 0, 8) X(256, 4, 8, 4, 1, 0, 8) X(512, 16, 8, 4, 1, 0, 8) X(1024, 32, 8, 4, 1, 0, 8)

template <px_precision OPERAND, int WIDTH, int BLOCKS, int M, int K, int KEPT>
struct grid_matrix_plan : matrix_plan_of<persistent_shape<OPERAND, WIDTH, BLOCKS, 1, false, 1>, M, K, KEPT> {
};

template <int WIDTH, int BLOCKS, int LANES, int QUADS, int KEPT, int REST, int GROUP, int STREAMS>
struct grid_vector_plan
    : vector_plan_of<persistent_shape<PX_FP32, WIDTH, BLOCKS, 1, false, 1>, LANES, QUADS, KEPT, REST, GROUP, STREAMS> {
};

#endif
