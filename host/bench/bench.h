/* The benchmark: what `perplex bench` measures, and what comes out.
 *
 * A plan is a list of cases (sizes, device, threads, kind of work), in groups whose members are measured in turns, so
 * that a machine that changes speed changes it for all of them. A run measures every case through the engine seam,
 * beside the peaks of the same device in the same run; a result holds everything a report, a plot or a comparison
 * needs. How FLOPs, bytes, spreads and floors are counted is written in bench/README.md. Nothing here prints. */
#ifndef PX_BENCH_H
#define PX_BENCH_H

#include "config.h"
#include "count.h"
#include "engine.h"
#include "peak.h"

#include <stdatomic.h>

typedef enum px_bench_work {
    PX_BENCH_TRAIN,    /* accumulate + update: a whole training step */
    PX_BENCH_EVALUATE, /* evaluate: forward only, loss of every token */
    PX_BENCH_DECODE, /* tokens for each of n streams, as `perplex sample` gets them: drawn by the engine where it can */
    PX_BENCH_NEXT,   /* next: one token of each stream, whose probabilities the host reads */
    PX_BENCH_DATA,   /* making a window of a training's minibatches, alone */
    PX_BENCH_PHASE,  /* PX_BENCH_PHASE + px_phase: that phase of a training step alone, where the engine offers it */
    PX_BENCH_WORKS = PX_BENCH_PHASE + PX_PHASE_COUNT
} px_bench_work;
const char *px_bench_work_name(px_bench_work work); /* "train" */

enum { PX_BENCH_DEVICE_BYTES = 32, PX_BENCH_LOSSES = 8, PX_BENCH_MAX_CASES = 4096, PX_BENCH_MAX_GROUP = 16 };

typedef struct px_bench_case {
    int32_t group; /* cases of one group stand next to each other in the plan and are measured in turns */
    px_bench_work work;
    char device[PX_BENCH_DEVICE_BYTES];
    int32_t batch, steps; /* n, T */
    int32_t hidden, embed, layers, vocab;
    int32_t tied;
    px_precision precision;
    int32_t threads; /* never 0 in a plan */
} px_bench_case;

typedef struct px_bench_plan {
    px_bench_case *cases;
    size_t count;
    char preset[24];   /* "" where the sizes were given one by one */
    char swept[8][12]; /* sweep keys with more than one value, in the order given */
    int32_t swept_count;
} px_bench_plan;

/* 1 for PX_BENCH_DATA and the phases: parts of a training step, alone. */
int px_bench_work_is_part(px_bench_work work);
/* 1 for PX_BENCH_DECODE and PX_BENCH_NEXT: a step is a token of each stream, and reads every weight for it. */
int px_bench_work_decodes(px_bench_work work);

/* Builds a plan. `preset` may be NULL; `sweeps` are texts "hidden=128..2048" or "batch=1,8,64"; without either the plan
 * is the one case of `config` (batch, steps, model, threads, precision). `devices` is a comma-separated list; `works`
 * too ("train,evaluate,decode,next", phase names, "phases" for all of these). vocab 0 in config means 28, the
 * characters of the book; with --data it stays 0 until the text is read. PX_ERR_ARGUMENT names the sweep and what is
 * accepted. Free with px_bench_plan_free. */
px_status px_bench_plan_make(const px_config *config, const char *preset, const char *const *sweeps, size_t sweep_count,
                             const char *devices, const char *works, px_bench_plan *plan);
void px_bench_plan_free(px_bench_plan *plan);
/* Names and one-line meanings of the presets; ends with name NULL. */
typedef struct px_bench_preset {
    const char *name, *meaning;
    double case_seconds; /* time bound of a case */
} px_bench_preset;
extern const px_bench_preset px_bench_presets[];
const px_bench_preset *px_bench_preset_find(const char *name); /* NULL if unknown */
/* "train n=32 T=35 d=0 h=512 L=1 V=28 fp32 threads=2 cpu": the key of --compare. */
void px_bench_case_name(const px_bench_case *c, char *buffer, size_t buffer_bytes);

typedef struct px_bench_options {
    const px_config *config; /* optimiser, lr, dropout, initialisers, seed; --data and how it becomes tokens */
    double spread;           /* stop once the standard error of the median is this share of it or less */
    double noisy_spread;     /* a case whose relative interquartile range is above this is measured again */
    double case_seconds;     /* time bound of a case's repeats (not of its warm-up) */
    double total_seconds;    /* no case is measured again past this time; 0 = no bound */
    double round_seconds;    /* length aimed at for one repeat */
    double slow_down;        /* testing aid: share of its own time that each step is delayed by; 0 = none */
    int png;                 /* plots as PNG, beside SVG */
    const char *export_path; /* write weights and batches of the first case for a peer; NULL = no */
    void *context;
    void (*progress)(void *context, size_t done, size_t count, const char *text); /* may be NULL */
    const atomic_int *stop; /* non-zero: end after the current repeat, keep what was measured */
} px_bench_options;

void px_bench_options_default(px_bench_options *options);
/* The learning rate of a bench where none is given: a tenth of a training's, as random tokens drive the units into
 * saturation at that. */
double px_bench_rate(px_optimizer kind);
/* The settings of a bench where none is given: SGD at 0.1, clip 1, one layer, h=512, n=32, T=35, one-hot. */
void px_bench_config_default(px_config *config);

/* Quartiles of a set of repeats. */
typedef struct px_bench_quartiles {
    double median, q1, q3;
} px_bench_quartiles;

typedef struct px_bench_measure {
    px_bench_case c;
    int measured;                    /* 0: not reached before a stop, or failed */
    char failure[256];               /* why it failed; "" otherwise */
    char device_text[256];           /* what the engine says of itself */
    px_recurrence recurrence;        /* the way that the engine took; AUTO: it has no choice */
    int32_t wavefront;               /* steps of a piece that it took; 0: off, AUTO: it has none */
    px_product_choice products;      /* of the output layer; AUTO: it has no choice */
    int32_t rounds, steps_per_round; /* repeats that count */
    int32_t disturbed;               /* repeats set aside because another program took a core meanwhile */
    int contended;                   /* 1: hardly a repeat had the machine to itself, so that none was set aside */
    int repeated;                    /* 1: measured again because of its spread */
    int noisy; /* 1: its spread is still above noisy_spread, or contended, or fewer than 3 repeats tell a spread */
    px_bench_quartiles tokens_per_s;
    double spread;                  /* (q3 - q1) / median of tokens/s */
    double error;                   /* standard error of the median, as a share of it */
    double step_s;                  /* median seconds of a step */
    double data_s;                  /* of it: making the batch */
    double phase_s[PX_PHASE_COUNT]; /* medians, seconds per step */
    double phase_sum;               /* (data + phases) / step, from the sums over all repeats */
    px_work_count work;             /* FLOPs and bytes of one step, from the shape */
    double gflops, gb_s;
    px_peak peak;         /* of this device and thread count; gflops is the median of the probes between repeats */
    double share_of_peak; /* NaN where there is no peak */
    double weight_gb_s, read_gb_s; /* evaluation and decoding on the host: weights read, and the rate at which as many
                                      can be read; else NaN */
    double roofline_s,
        share_of_roofline; /* max(FLOPs / peak, bytes / copy rate, or weights / read_gb_s); its share of the step */
    double recurrence_floor_s, share_of_floor; /* latency floor of the recurrence; its share of the phases' time */
    px_engine_memory memory;                   /* what the engine says that it allocates */
    size_t resident_bytes;                     /* how much this process grew by creating and warming it; 0 = unknown */
    double joules_per_token;                   /* NaN unless the device counts energy */
    char energy_counter[128], no_energy[256];  /* what counted it, "" where nothing did; why nothing did */
    int32_t loss_count;
    double loss[PX_BENCH_LOSSES];  /* mean nats per token of the first steps, from the initial weights */
    double loss_difference;        /* largest |difference| to the first device of the group; NaN where not compared */
    double published_tokens_per_s; /* the book's figure for this case; 0 = none */
    const char *published_source;
} px_bench_measure;

typedef struct px_bench_crossover {
    const char *key;  /* "hidden" or another swept key */
    px_bench_case at; /* the other sizes; the key's own field is not meant */
    char base[PX_BENCH_DEVICE_BYTES], other[PX_BENCH_DEVICE_BYTES];
    int32_t from; /* least size from which `other` is faster up to the largest; 0 = never */
    int32_t largest;
    double ratio_at_largest; /* tokens/s of other / base */
} px_bench_crossover;

typedef struct px_bench_result {
    char preset[24];
    char date[32]; /* UTC, ISO 8601 */
    int complete;  /* 0: stopped before the end */
    double seconds;
    px_bench_measure *measures;
    size_t count;
    px_peak *peaks; /* one per device, thread count and precision that was met */
    size_t peak_count;
    px_bench_crossover *crossovers;
    size_t crossover_count;
} px_bench_result;

/* Measures. A case that fails (memory, device) is recorded with its reason and the rest goes on; a plan whose every
 * case failed returns the first failure. A stop returns PX_OK with complete = 0. Free with px_bench_result_free. */
px_status px_bench_run(const px_bench_plan *plan, const px_bench_options *options, px_bench_result *result);
void px_bench_result_free(px_bench_result *result);
/* 1 for the first case that was measured on its device: what is said of a device once goes with it. */
int px_bench_is_first_of_device(const px_bench_result *result, size_t i);
/* Sizes from which one device overtakes another, for every key in plan->swept. Part of px_bench_run. */
px_status px_bench_find_crossovers(const px_bench_plan *plan, px_bench_result *result);

/* ---- reports: malloc'ed text, caller frees; NULL if out of memory ------------------------------------------------ */
char *px_bench_json(const px_bench_result *result, const px_bench_options *options, const char *command);
char *px_bench_csv(const px_bench_result *result);
char *px_bench_markdown(const px_bench_result *result, const px_bench_options *options);
/* Writes bench.json, bench.csv, bench.md and, where gnuplot can be run, plots as SVG (options->png: PNG too) into
 * folder/plots (made if it is missing). note gets one line on plots that could not be drawn, "" if all were. */
px_status px_bench_write_folder(const px_bench_result *result, const px_bench_options *options, const char *command,
                                const char *folder, char *note, size_t note_bytes);

/* ---- results read back ------------------------------------------------------------------------------------------- */
/* The JSON of one result; cJSON_Delete it. PX_ERR_INPUT where a file is no bench result of this version. */
struct cJSON;
px_status px_bench_json_read(const char *path, struct cJSON **root);
/* The cases and peaks of one or more results (a CPU's and a GPU's, say), as far as tables and plots need them. Free
 * with px_bench_result_free. */
px_status px_bench_result_read(const char *const *paths, size_t count, px_bench_result *result);

/* ---- comparison of two results ----------------------------------------------------------------------------------- */
typedef struct px_bench_verdict {
    int compared, regressions, improvements, noisy, missing;
    char *report; /* Markdown, malloc'ed */
} px_bench_verdict;
/* PX_ERR_INPUT where a file is no bench result of this version. */
px_status px_bench_compare(const char *old_path, const char *new_path, px_bench_verdict *verdict);

#endif
