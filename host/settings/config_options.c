/* The one table of settings: name, type, range, group and help of everything that a flag or a configuration file sets.
 *
 * Rows stand in the order in which --help and a run's `config` show them. Ranges are closed. A help text is one line
 * of at most 68 characters, so that a --help fits its screen; defaults are added by whoever prints it. */
#include "config.h"
#include "parameters.h"

#include <stddef.h>

#define NAME_TEXT(NAME, name, ...) #name,
static const char *const OPTIMIZERS[] = {PX_OPTIMIZERS(NAME_TEXT) NULL};
static const char *const SCHEDULES[] = {"constant", "step", "cosine", "plateau", NULL};
static const char *const AVERAGES[] = {"none", "from", "stall", NULL};
static const char *const VOCABULARIES[] = {"model", "text", NULL};
static const char *const ON_NANS[] = {"stop", "rollback", NULL};

#define AT(field) offsetof(px_config, field)
#define COUNT_MAX 1e15 /* steps, tokens: whole numbers that a double holds exactly */

#define STRING(name, value, field, group, resume, help)                                                                \
    {                                                                                                                  \
        name, value, PX_OPTION_STRING, AT(field), NULL, 0, 0, group, resume, help                                      \
    }
#define FILES(name, field, help)                                                                                       \
    {                                                                                                                  \
        name, "FILE ...", PX_OPTION_STRING, AT(field), NULL, 0, PX_FILES_MAX, PX_GROUP_CORPUS, PX_RESUME_FREE, help    \
    }
#define ENUM(name, choices, field, group, help)                                                                        \
    {                                                                                                                  \
        name, NULL, PX_OPTION_ENUM, AT(field), choices, 0, 0, group, PX_RESUME_FIXED, help                             \
    }
#define BOOL(name, field, group, help)                                                                                 \
    {                                                                                                                  \
        name, NULL, PX_OPTION_BOOL, AT(field), NULL, 0, 1, group, PX_RESUME_FIXED, help                                \
    }
#define INT32(name, value, field, min, max, group, resume, help)                                                       \
    {                                                                                                                  \
        name, value, PX_OPTION_INT32, AT(field), NULL, min, max, group, resume, help                                   \
    }
#define INT64(name, value, field, min, group, resume, help)                                                            \
    {                                                                                                                  \
        name, value, PX_OPTION_INT64, AT(field), NULL, min, COUNT_MAX, group, resume, help                             \
    }
#define DOUBLE(name, value, field, min, max, group, help)                                                              \
    {                                                                                                                  \
        name, value, PX_OPTION_DOUBLE, AT(field), NULL, min, max, group, PX_RESUME_FIXED, help                         \
    }

const px_option px_options[] = {
    FILES("data", corpus.data, "texts one after the other, or a token file; - is standard input"),
    FILES("valid", corpus.valid, "validation text; without it a share of --data"),
    FILES("test", corpus.test, "test text, scored once, at the end"),
    ENUM("level", px_level_names, corpus.text.level, PX_GROUP_CORPUS, "what a token is; char: a Unicode code point"),
    ENUM("normalise", px_normalise_names, corpus.text.normalise, PX_GROUP_CORPUS,
         "letters: only a-z and single spaces are left"),
    ENUM("invalid", px_invalid_names, corpus.text.invalid, PX_GROUP_CORPUS,
         "char, word: what to do with bytes that are not UTF-8"),
    INT64("min-count", "k", corpus.min_count, 1, PX_GROUP_CORPUS, PX_RESUME_FIXED,
          "tokens seen less often become <unk>"),
    INT64("max-vocab", "k", corpus.max_vocab, 0, PX_GROUP_CORPUS, PX_RESUME_FIXED,
          "keep the k-1 most frequent tokens and <unk>; 0: all"),
    {"split", "a,b,c", PX_OPTION_FRACTIONS, AT(corpus.split), NULL, 0, 1, PX_GROUP_CORPUS, PX_RESUME_FIXED,
     "shares to train, validate and test on, by position"},
    INT64("limit-tokens", "k", corpus.limit_tokens, 0, PX_GROUP_CORPUS, PX_RESUME_FIXED,
          "use only the first k tokens of --data; 0: all"),
    STRING("reset-at", "TOKEN", corpus.reset_at, PX_GROUP_CORPUS, PX_RESUME_FIXED,
           "token that ends a document (<eos>, \\n): the state is cleared"),

    INT32("batch", "n", minibatch.batch, 1, 1 << 20, PX_GROUP_BATCH, PX_RESUME_FIXED, "parallel streams"),
    INT32("steps", "T", minibatch.steps, 1, 1 << 20, PX_GROUP_BATCH, PX_RESUME_FIXED,
          "tokens per stream and window: how far gradients reach back"),
    DOUBLE("steps-jitter", "s", minibatch.steps_jitter, 0, 1e6, PX_GROUP_BATCH,
           "draw windows' lengths about T, of this standard deviation"),
    ENUM("partition", px_partition_names, minibatch.partition, PX_GROUP_BATCH,
         "sequential carries the state from window to window"),
    DOUBLE("reset-probability", "p", minibatch.reset_probability, 0, 1, PX_GROUP_BATCH,
           "chance that a stream starts a window from a zero state"),

    INT32("embed", "d", model.embed, 0, 1 << 16, PX_GROUP_MODEL, PX_RESUME_FIXED,
          "width of embeddings; 0: one-hot; words: as h, at most 512"),
    INT32("hidden", "h", model.hidden, 1, 1 << 16, PX_GROUP_MODEL, PX_RESUME_FIXED, "hidden units per layer"),
    INT32("layers", "L", model.layers, 1, PX_MAX_LAYERS, PX_GROUP_MODEL, PX_RESUME_FIXED, "recurrent layers"),
    BOOL("tied", model.tied, PX_GROUP_MODEL, "the output layer shares the embedding table"),
    ENUM("output", px_output_names, model.output, PX_GROUP_MODEL,
         "adaptive: large vocabularies, faster; not with --tied"),
    {"cutoffs", "k,k,...", PX_OPTION_CUTOFFS, AT(model.cutoffs), NULL, 1, INT32_MAX, PX_GROUP_MODEL, PX_RESUME_FIXED,
     "adaptive: where its clusters begin; auto: from the text"},
    ENUM("cell", px_cell_names, model.cell, PX_GROUP_MODEL, "what the hidden units are"),
    ENUM("init", px_init_names, model.init, PX_GROUP_INIT, "initial weights; fan-in: by what each layer reads"),
    DOUBLE("init-scale", "x", model.init_scale, 0, 100, PX_GROUP_INIT,
           "factor of the weights; normal: their deviation"),
    ENUM("init-recurrent", px_init_recurrent_names, model.init_recurrent, PX_GROUP_INIT,
         "W_hh; orthogonal learns fastest"),
    DOUBLE("init-gain", "x", model.init_gain, 0, 100, PX_GROUP_INIT, "factor of an orthogonal or identity W_hh"),
    STRING("init-from", "M", init_from, PX_GROUP_INIT, PX_RESUME_FIXED,
           "begin from this model's weights, with its sizes and cell"),
    STRING("init-fingerprint", "KEY", init_fingerprint, PX_GROUP_INIT, PX_RESUME_FIXED,
           "refuse --init-from where M has another one"),
    BOOL("init-moments", init_moments, PX_GROUP_INIT, "and from its optimizer's moments: M is a last.safetensors"),
    ENUM("vocabulary-from", VOCABULARIES, vocabulary_from, PX_GROUP_INIT,
         "with --init-from: the model's tokens, or the text's"),

    DOUBLE("dropout-input", "p", model.dropout_input, 0, 0.99, PX_GROUP_DROPOUT, "of the (embedded) input"),
    DOUBLE("dropout-embedding", "p", model.dropout_embedding, 0, 0.99, PX_GROUP_DROPOUT,
           "of tokens: whole rows of the embedding table, once per window"),
    DOUBLE("dropout-between", "p", model.dropout_between, 0, 0.99, PX_GROUP_DROPOUT, "between layers"),
    DOUBLE("dropout-output", "p", model.dropout_output, 0, 0.99, PX_GROUP_DROPOUT, "before the output layer"),
    DOUBLE("dropout-weight", "p", model.dropout_weight, 0, 0.99, PX_GROUP_DROPOUT,
           "of the weights in W_hh, once per window"),
    BOOL("dropout-locked", model.dropout_locked, PX_GROUP_DROPOUT, "the same units are dropped over a whole window"),
    DOUBLE("penalty-activation", "a", model.penalty_activation, 0, 1e6, PX_GROUP_DROPOUT,
           "a times the mean square of the top layer's dropped outputs"),
    DOUBLE("penalty-temporal", "b", model.penalty_temporal, 0, 1e6, PX_GROUP_DROPOUT,
           "b times the mean square of their change from step to step"),

    ENUM("optimizer", OPTIMIZERS, optimizer.kind, PX_GROUP_OPTIMIZER, "how gradients become steps"),
    DOUBLE("momentum", "x", optimizer.momentum, 0, 0.9999, PX_GROUP_OPTIMIZER, "of momentum"),
    DOUBLE("beta1", "x", optimizer.beta1, 0, 0.999999, PX_GROUP_OPTIMIZER, "adam, adamw: smoothing of the gradient"),
    DOUBLE("beta2", "x", optimizer.beta2, 0, 0.999999999, PX_GROUP_OPTIMIZER, "adam, adamw: smoothing of its square"),
    DOUBLE("alpha", "x", optimizer.alpha, 0, 0.999999999, PX_GROUP_OPTIMIZER,
           "rmsprop: smoothing of the squared gradient"),
    DOUBLE("epsilon", "x", optimizer.epsilon, 1e-30, 1, PX_GROUP_OPTIMIZER, "adam, adamw, rmsprop: added to the root"),
    DOUBLE("weight-decay", "x", optimizer.weight_decay, 0, 1, PX_GROUP_OPTIMIZER,
           "adamw: decoupled; others: added to the gradient"),
    DOUBLE("clip", "x", optimizer.clip, 0, 1e9, PX_GROUP_OPTIMIZER, "bound of the global gradient norm; 0: none"),

    DOUBLE("lr", "x", lr, 1e-12, 1e6, PX_GROUP_RATE, "learning rate"),
    ENUM("lr-scaling", px_lr_scaling_names, optimizer.lr_scaling, PX_GROUP_RATE,
         "of tensors, by width, depth; an LSTM's default is doubled"),
    ENUM("schedule", SCHEDULES, schedule, PX_GROUP_RATE, "of the learning rate"),
    INT64("schedule-steps", "k", schedule_steps, 0, PX_GROUP_RATE, PX_RESUME_FIXED,
          "its length; 0: from --max-steps or --epochs"),
    INT64("schedule-from", "k", schedule_from, 0, PX_GROUP_RATE, PX_RESUME_FIXED,
          "its first step; --extend-steps sets it"),
    INT64("warmup-steps", "k", warmup_steps, 0, PX_GROUP_RATE, PX_RESUME_FIXED,
          "steps over which the rate rises from 0"),
    DOUBLE("lr-min", "x", lr_min, 0, 1, PX_GROUP_RATE, "cosine: where it ends, as a share of --lr"),
    INT64("lr-step-every", "k", lr_step_every, 0, PX_GROUP_RATE, PX_RESUME_FIXED,
          "step: multiply by --lr-factor every k steps"),
    DOUBLE("lr-factor", "x", lr_factor, 1e-6, 0.999999, PX_GROUP_RATE, "step, plateau: factor"),
    INT64("lr-patience", "k", lr_patience, 1, PX_GROUP_RATE, PX_RESUME_FIXED,
          "plateau: evaluations without a new best before it"),

    INT64("epochs", "k", epochs, 0, PX_GROUP_LENGTH, PX_RESUME_FREE,
          "passes over the training text; 0: --max-steps ends the run"),
    INT64("max-steps", "k", max_steps, 0, PX_GROUP_LENGTH, PX_RESUME_FREE, "training steps; 0: --epochs ends the run"),
    INT64("valid-every", "k", valid_every, 0, PX_GROUP_LENGTH, PX_RESUME_FIXED,
          "validate every k steps; 0: every epoch"),
    INT64("early-stop", "k", early_stop, 0, PX_GROUP_LENGTH, PX_RESUME_FIXED,
          "end after k evaluations without a new best; 0: never"),
    ENUM("average", AVERAGES, average, PX_GROUP_LENGTH, "of the weights: from a step on, or once validation stalls"),
    INT64("average-from", "k", average_from, 0, PX_GROUP_LENGTH, PX_RESUME_FIXED,
          "average = from: first step averaged"),
    INT64("average-patience", "k", average_patience, 1, PX_GROUP_LENGTH, PX_RESUME_FIXED,
          "average = stall: evaluations without a new best"),
    ENUM("on-nan", ON_NANS, on_nan, PX_GROUP_LENGTH, "after a non-finite loss: end, or go back and go on"),
    DOUBLE("rollback-factor", "x", rollback_factor, 1e-6, 1, PX_GROUP_LENGTH, "of the learning rate after going back"),

    STRING("device", "NAME", device, PX_GROUP_RUN, PX_RESUME_FREE,
           "cpu, cuda[:k], auto (a GPU if one works), reference (slow)"),
    ENUM("precision", px_precision_names, precision, PX_GROUP_RUN, "of products; the CPU has fp32"),
    {"recurrence", NULL, PX_OPTION_ENUM, AT(recurrence), px_recurrence_names, 0, 0, PX_GROUP_RUN, PX_RESUME_FREE,
     "of a GPU; auto: by device, sizes"},
    {"wavefront", "k|off|auto", PX_OPTION_WAVEFRONT, AT(wavefront), NULL, 1, 1 << 20, PX_GROUP_RUN, PX_RESUME_FREE,
     "of a GPU: layers side by side, by pieces of k steps"},
    {"products", NULL, PX_OPTION_ENUM, AT(products), px_products_names, 0, 0, PX_GROUP_RUN, PX_RESUME_FREE,
     "of a GPU's output layer; auto: cublas"},
    INT32("threads", "k", threads, 0, 4096, PX_GROUP_RUN, PX_RESUME_FREE, "0: the cores that this process may use"),
    {"seed", "s", PX_OPTION_UINT64, AT(seed), NULL, 0, 18446744073709551615.0, PX_GROUP_RUN, PX_RESUME_FIXED,
     "of every random choice: the same seed repeats the run"},
    ENUM("reduce", px_reduce_names, ranks.reduce, PX_GROUP_RUN, "tree: the same bits for any number of ranks"),
    INT32("leaves", "k", ranks.leaves, 1, 1024, PX_GROUP_RUN, PX_RESUME_FIXED,
          "tree: groups of streams, a power of two; most ranks possible"),
    INT32("accumulate", "k", ranks.accumulate, 1, 1 << 20, PX_GROUP_RUN, PX_RESUME_FREE,
          "parts that a rank computes its streams in: saves memory"),
    INT64("check-every", "k", ranks.check_every, 0, PX_GROUP_RUN, PX_RESUME_FREE,
          "steps between comparisons of ranks; 0: at checkpoints"),
    {"rank-timeout", "s", PX_OPTION_DOUBLE, AT(ranks.timeout), NULL, 0, 1e9, PX_GROUP_RUN, PX_RESUME_FREE,
     "seconds that ranks wait for each other; 0: for ever"},
    {"bootstrap", NULL, PX_OPTION_ENUM, AT(ranks.bootstrap), px_bootstrap_way_names, 0, 0, PX_GROUP_RUN, PX_RESUME_FREE,
     "how ranks meet; auto: the first that can be"},
    {"bootstrap-timeout", "s", PX_OPTION_DOUBLE, AT(ranks.bootstrap_timeout), NULL, 0.1, 1e6, PX_GROUP_RUN,
     PX_RESUME_FREE, "seconds until all ranks have met"},
    STRING("run", "DIR", run, PX_GROUP_RUN, PX_RESUME_FREE, "new folder for the run's files"),
    {"checkpoint-every", "k|10m", PX_OPTION_EVERY, AT(checkpoint_every), NULL, 0, COUNT_MAX, PX_GROUP_RUN,
     PX_RESUME_FREE, "steps, or time (s, m, h); 0: at evaluations and at the end"},
    INT64("keep", "k", keep, 0, PX_GROUP_RUN, PX_RESUME_FREE, "older checkpoints kept beside last.safetensors"),
    {"tensorboard", NULL, PX_OPTION_BOOL, AT(tensorboard), NULL, 0, 1, PX_GROUP_RUN, PX_RESUME_FREE,
     "event files for TensorBoard in DIR, where built in"},
    {"report", NULL, PX_OPTION_BOOL, AT(report), NULL, 0, 1, PX_GROUP_RUN, PX_RESUME_FREE,
     "DIR/report.html at the end: curves, samples, results"},
    INT64("log-every", "k", log_every, 1, PX_GROUP_RUN, PX_RESUME_FREE,
          "steps from one line in metrics.jsonl to the next"),
};
const size_t px_option_count = sizeof px_options / sizeof px_options[0];
