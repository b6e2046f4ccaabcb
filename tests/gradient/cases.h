/* The cases that gradient and parity tests share: one table of models, shapes and options, the windows of synthetic
 * tokens that go with them, and the comparison that prints what differs. Adding a row to the table adds it to every
 * test. */
#ifndef PX_TEST_CASES_H
#define PX_TEST_CASES_H

#include "engine.h"

typedef struct px_case {
    const char *name;
    px_model_config model;
    px_optimizer_config optimizer;         /* zeroed: SGD without clipping */
    int32_t n, T;                          /* the engine's shape */
    int32_t batch_n, batch_T;              /* the windows' size; 0 = the engine's shape */
    double reset_share;                    /* share of (step, stream) places with a reset mark */
    double unscored_share;                 /* share of targets that are -1 */
    uint32_t first_stream, streams_in_all; /* streams_in_all 0: batch_n */
    int32_t windows;                       /* windows accumulated before an update; 0 = 1 */
    int32_t zero_state;                    /* 1: windows start from a zero state instead of a random one */
    int32_t large;                         /* 1: too many parameters and rows for central differences; parity only */
} px_case;

extern const px_case px_cases[];
extern const size_t px_case_count;

/* A window with its own memory. */
typedef struct px_window {
    px_batch batch;
    int32_t *tokens, *targets; /* [T,n] */
    uint8_t *reset;            /* [T,n] */
    int64_t scored;            /* targets that are not -1 */
} px_window;

/* Window number `index` of training step `step` of a case: a pure function of the three. Aborts where memory is not
 * there. */
px_window px_case_window(const px_case *c, uint64_t step, int32_t index);
void px_window_free(px_window *window);

/* An engine of that device and the case's shape, with its initial weights and (unless zero_state) a random state in
 * both STATE and EVAL_STATE. Ends the program with the engine's message where it cannot be made. On a GPU the
 * recurrence goes the way that PERPLEX_TEST_RECURRENCE names, in pieces of PERPLEX_TEST_WAVEFRONT steps, where these
 * are set, and PERPLEX_TEST_PRODUCTS=cublaslt has cuBLASLt make the products of a softmax. */
px_engine *px_case_engine(const px_case *c, const char *device, int32_t threads, int32_t averaging);
/* The same in another precision than fp32. */
px_engine *px_case_engine_in(const px_case *c, const char *device, int32_t threads, int32_t averaging,
                             px_precision precision);

/* Ends the program with 77 (skipped) and says so where PERPLEX_ISA asks for an instruction set that this machine lacks.
 */
void px_test_skip_missing_isa(void);

/* Values of a section in malloc'ed memory; NULL where its size is 0. Ends the program on failure. */
float *px_section_read(px_engine *engine, px_section section);
/* Copies every section that both engines keep from one to the other. */
void px_sections_copy(px_engine *from, px_engine *to);

/* Uniform values in [-bound, bound) for tests: element `element` of stream `stream`. */
float px_test_uniform(uint32_t stream, uint64_t element, double bound);

/* Compares tensors of flat buffers in file layout: |got - want| <= relative * (largest |want| of the tensor, but at
 * least floor). A NaN differs from everything. Prints tensor, index, got, want and tolerance of the worst element of
 * each tensor that fails; returns how many tensors fail. `what` says what is compared ("gradient, step 3"). */
int px_compare_tensors(const px_parameters *table, const float *got, const float *want, double relative, double floor,
                       const char *what);
/* The same for one plain array. */
int px_compare_values(const float *got, const float *want, size_t count, double relative, double floor,
                      const char *what);
/* Largest |value|. */
double px_largest(const float *values, size_t count);

#define PX_CHECK(call)                                                                                                 \
    do {                                                                                                               \
        px_status px_check_ = (call);                                                                                  \
        if (px_check_ != PX_OK) {                                                                                      \
            print_error("%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, px_status_name(px_check_),                   \
                        px_error_message());                                                                           \
            fail();                                                                                                    \
        }                                                                                                              \
    } while (0)

#endif
