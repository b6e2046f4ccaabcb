/* The table of cases: odd sizes first, then every option that touches a number, then sizes that make fast engines cut
 * their work into panels, chunks and tails. */
#include "cases.h"

/* V vocabulary, d embedding (0 = one-hot), h hidden, L layers, then any other member of px_model_config. */
#define MODEL(V, d, h, L, ...)                                                                                         \
    .model = {.vocab = V, .embed = d, .hidden = h, .layers = L, .init_scale = 1, .init_gain = 1, __VA_ARGS__}
#define OPTIMIZER(...)                                                                                                 \
    .optimizer = {.momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999, .alpha = 0.99, .epsilon = 1e-8, __VA_ARGS__}

/* The same with an adaptive output layer. */
#define CUTOFFS(...)                                                                                                   \
    {                                                                                                                  \
        sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t), { __VA_ARGS__ }                                            \
    }
#define ADAPTIVE(CUTS, V, d, h, L, ...) MODEL(V, d, h, L, .output = PX_OUTPUT_ADAPTIVE, .cutoffs = CUTS, __VA_ARGS__)

/* The same for a cell of several gates. */
#define CELL_CASES(CELL, name)                                                                                         \
    {name ", one stream, one step, one unit, two tokens", MODEL(2, 0, 1, 1, .cell = CELL), .n = 1, .T = 1},            \
        {name ", one-hot", MODEL(9, 0, 12, 1, .cell = CELL), .n = 3, .T = 5},                                          \
        {name ", two layers, embedding, h = 33", MODEL(9, 5, 33, 2, .cell = CELL), .n = 3, .T = 5},                    \
        {name ", one-hot, three layers, resets", MODEL(7, 0, 9, 3, .cell = CELL), .n = 4, .T = 8,                      \
         .reset_share = 0.25},                                                                                         \
        {name ", every step is a reset", MODEL(9, 0, 10, 2, .cell = CELL), .n = 3, .T = 4, .reset_share = 1},          \
        {name ", orthogonal recurrence, zero state",                                                                   \
         MODEL(9, 6, 11, 2, .cell = CELL, .init = PX_INIT_GLOROT, .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL),     \
         .n = 3, .T = 5, .zero_state = 1},                                                                             \
        {name ", input dropout, one-hot, weight dropout",                                                              \
         MODEL(9, 0, 10, 1, .cell = CELL, .dropout_input = 0.4, .dropout_weight = 0.3), .n = 3, .T = 5},               \
        {name ", every dropout at once, tied, resets, three windows, adam",                                            \
         MODEL(9, 6, 10, 2, .cell = CELL, .tied = 1, .dropout_input = 0.2, .dropout_between = 0.3,                     \
               .dropout_output = 0.4, .dropout_weight = 0.25),                                                         \
         .n = 3,                                                                                                       \
         .T = 5,                                                                                                       \
         .windows = 3,                                                                                                 \
         .reset_share = 0.2,                                                                                           \
         .unscored_share = 0.1,                                                                                        \
         OPTIMIZER(.kind = PX_ADAM, .clip = 0.25)},                                                                    \
        {name ", fewer streams and steps, locked",                                                                     \
         MODEL(9, 4, 10, 2, .cell = CELL, .dropout_between = 0.3, .dropout_locked = 1),                                \
         .n = 5,                                                                                                       \
         .T = 6,                                                                                                       \
         .batch_n = 2,                                                                                                 \
         .batch_T = 3},                                                                                                \
        {name ", characters: V = 28, h = 64",  MODEL(28, 0, 64, 1, .cell = CELL), .n = 32, .T = 9, .large = 1,         \
         OPTIMIZER(.kind = PX_ADAM, .clip = 1)},                                                                       \
        {name ", n = 33, h = 130, two layers",                                                                         \
         MODEL(61, 0, 130, 2, .cell = CELL, .dropout_between = 0.2, .dropout_output = 0.2),                            \
         .n = 33,                                                                                                      \
         .T = 3,                                                                                                       \
         .large = 1,                                                                                                   \
         .reset_share = 0.05},                                                                                         \
    {                                                                                                                  \
        name ", h = 257, weight dropout", MODEL(10, 12, 257, 1, .cell = CELL, .dropout_weight = 0.5), .n = 5, .T = 3,  \
                                                                                                      .large = 1       \
    }

const px_case px_cases[] = {
    /* sizes */
    {"one stream, one step, one unit, two tokens", MODEL(2, 0, 1, 1), .n = 1, .T = 1},
    {"one token: every gradient is zero", MODEL(1, 0, 4, 1), .n = 2, .T = 3},
    {"n = 1", MODEL(7, 0, 8, 1), .n = 1, .T = 6},
    {"T = 1", MODEL(7, 0, 8, 1), .n = 5, .T = 1},
    {"h = 33, one-hot", MODEL(11, 0, 33, 1), .n = 3, .T = 5},
    {"V = 2", MODEL(2, 0, 9, 2), .n = 3, .T = 4},
    {"two layers, one-hot", MODEL(9, 0, 10, 2), .n = 4, .T = 5},
    {"three layers, one-hot, h = 33", MODEL(5, 0, 33, 3), .n = 2, .T = 4},
    {"embedding, d = 1", MODEL(6, 1, 7, 1), .n = 3, .T = 4},
    {"embedding, d < h", MODEL(9, 5, 12, 1), .n = 3, .T = 5},
    {"embedding, d > h, three layers", MODEL(9, 13, 6, 3), .n = 3, .T = 5},
    {"embedding, n = 1, T = 1", MODEL(9, 3, 5, 2), .n = 1, .T = 1},
    {"zero state", MODEL(9, 0, 10, 2), .n = 4, .T = 5, .zero_state = 1},
    {"long window", MODEL(5, 0, 6, 1), .n = 2, .T = 40},
    /* nonlinearity */
    {"relu, one-hot", MODEL(9, 0, 12, 1, .cell = PX_CELL_RELU), .n = 3, .T = 5},
    {"relu, two layers, embedding", MODEL(9, 5, 12, 2, .cell = PX_CELL_RELU), .n = 3, .T = 5},
    /* cells of several gates */
    CELL_CASES(PX_CELL_GRU, "gru"),
    CELL_CASES(PX_CELL_LSTM, "lstm"),
    /* initialisers, seen through one step */
    {"normal weights, no biases", MODEL(9, 0, 12, 1, .init = PX_INIT_NORMAL, .init_scale = 0.1), .n = 3, .T = 5},
    {"Glorot weights, orthogonal recurrence",
     MODEL(9, 6, 12, 2, .init = PX_INIT_GLOROT, .init_recurrent = PX_INIT_RECURRENT_ORTHOGONAL), .n = 3, .T = 5},
    {"relu with identity recurrence",
     MODEL(9, 6, 12, 2, .cell = PX_CELL_RELU, .init_recurrent = PX_INIT_RECURRENT_IDENTITY, .init_gain = 0.5), .n = 3,
     .T = 5},
    /* tied embeddings */
    {"tied, d = h", MODEL(9, 8, 8, 1, .tied = 1), .n = 3, .T = 5},
    {"tied, d < h: projection", MODEL(9, 5, 8, 1, .tied = 1), .n = 3, .T = 5},
    {"tied, d > h: projection, two layers", MODEL(9, 11, 8, 2, .tied = 1), .n = 3, .T = 5},
    {"tied, d = 1, n = 1, T = 1", MODEL(4, 1, 3, 1, .tied = 1), .n = 1, .T = 1},
    /* dropout */
    {"input dropout, one-hot", MODEL(9, 0, 10, 1, .dropout_input = 0.4), .n = 3, .T = 5},
    {"input dropout, one-hot, locked: word types", MODEL(5, 0, 10, 1, .dropout_input = 0.4, .dropout_locked = 1),
     .n = 3, .T = 7},
    {"input dropout, embedding", MODEL(9, 6, 10, 1, .dropout_input = 0.4), .n = 3, .T = 5},
    {"input dropout, embedding, locked", MODEL(9, 6, 10, 1, .dropout_input = 0.4, .dropout_locked = 1), .n = 3, .T = 5},
    {"embedding dropout, one-hot", MODEL(9, 0, 10, 1, .dropout_embedding = 0.4), .n = 3, .T = 7},
    {"embedding dropout", MODEL(9, 6, 10, 2, .dropout_embedding = 0.4), .n = 3, .T = 7},
    {"embedding dropout, tied, and of the input, locked",
     MODEL(9, 6, 10, 1, .tied = 1, .dropout_embedding = 0.3, .dropout_input = 0.3, .dropout_locked = 1), .n = 3,
     .T = 7},
    {"embedding and input dropout, one-hot, lstm",
     MODEL(9, 0, 10, 1, .cell = PX_CELL_LSTM, .dropout_embedding = 0.3, .dropout_input = 0.3), .n = 3, .T = 7},
    {"dropout between layers", MODEL(9, 0, 10, 3, .dropout_between = 0.3), .n = 3, .T = 5},
    {"dropout between layers, locked", MODEL(9, 0, 10, 3, .dropout_between = 0.3, .dropout_locked = 1), .n = 3, .T = 5},
    {"output dropout", MODEL(9, 0, 10, 1, .dropout_output = 0.5), .n = 3, .T = 5},
    {"output dropout, locked, two layers", MODEL(9, 0, 10, 2, .dropout_output = 0.5, .dropout_locked = 1), .n = 3,
     .T = 5},
    {"output dropout, tied", MODEL(9, 10, 10, 1, .tied = 1, .dropout_output = 0.5), .n = 3, .T = 5},
    {"output dropout, tied with projection", MODEL(9, 6, 10, 2, .tied = 1, .dropout_output = 0.5), .n = 3, .T = 5},
    {"weight dropout", MODEL(9, 0, 10, 1, .dropout_weight = 0.3), .n = 3, .T = 5},
    {"weight dropout, two layers, relu", MODEL(9, 4, 11, 2, .dropout_weight = 0.3, .cell = PX_CELL_RELU), .n = 3,
     .T = 5},
    {"every dropout at once",
     MODEL(9, 6, 10, 2, .dropout_input = 0.2, .dropout_between = 0.3, .dropout_output = 0.4, .dropout_weight = 0.25),
     .n = 3, .T = 5},
    {"every dropout at once, locked, tied, relu",
     MODEL(9, 6, 10, 2, .tied = 1, .cell = PX_CELL_RELU, .dropout_input = 0.2, .dropout_between = 0.3,
           .dropout_output = 0.4, .dropout_weight = 0.25, .dropout_locked = 1),
     .n = 3, .T = 5},
    {"dropout of streams 5 to 7 of 11",
     MODEL(9, 6, 10, 2, .dropout_input = 0.3, .dropout_between = 0.3, .dropout_output = 0.3, .dropout_weight = 0.3),
     .n = 3, .T = 5, .first_stream = 5, .streams_in_all = 11},
    /* penalties */
    {"activation penalty", MODEL(9, 0, 10, 1, .penalty_activation = 2), .n = 3, .T = 5},
    {"activation penalty, output dropout, embedding",
     MODEL(9, 6, 10, 2, .penalty_activation = 2, .dropout_output = 0.5), .n = 3, .T = 5},
    {"temporal penalty", MODEL(9, 0, 10, 2, .penalty_temporal = 3), .n = 3, .T = 5},
    {"temporal penalty, output dropout, resets, unscored targets",
     MODEL(9, 0, 10, 1, .penalty_temporal = 3, .dropout_output = 0.5), .n = 4, .T = 8, .reset_share = 0.25,
     .unscored_share = 0.3},
    {"both penalties, one step", MODEL(9, 0, 10, 1, .penalty_activation = 2, .penalty_temporal = 3), .n = 3, .T = 1},
    {"both penalties, relu, every dropout, tied, projection",
     MODEL(9, 6, 10, 2, .tied = 1, .cell = PX_CELL_RELU, .penalty_activation = 2, .penalty_temporal = 1,
           .dropout_input = 0.2, .dropout_embedding = 0.1, .dropout_between = 0.3, .dropout_output = 0.4,
           .dropout_weight = 0.25, .dropout_locked = 1),
     .n = 3, .T = 5},
    {"both penalties, lstm, every dropout, resets, three windows, adam",
     MODEL(9, 6, 10, 2, .cell = PX_CELL_LSTM, .penalty_activation = 2, .penalty_temporal = 1, .dropout_input = 0.2,
           .dropout_between = 0.3, .dropout_output = 0.4, .dropout_weight = 0.25),
     .n = 3, .T = 5, .windows = 3, .reset_share = 0.2, .unscored_share = 0.1, OPTIMIZER(.kind = PX_ADAM, .clip = 0.25)},
    {"both penalties, gru, fewer streams and steps",
     MODEL(9, 4, 10, 2, .cell = PX_CELL_GRU, .penalty_activation = 2, .penalty_temporal = 1), .n = 5, .T = 6,
     .batch_n = 2, .batch_T = 3},
    /* adaptive output layers: cutoffs, then as MODEL */
    {"adaptive, one cluster of one token", ADAPTIVE(CUTOFFS(1), 2, 0, 4, 1), .n = 1, .T = 3},
    {"adaptive, one cluster, one-hot", ADAPTIVE(CUTOFFS(5), 13, 0, 12, 1), .n = 3, .T = 5},
    {"adaptive, two clusters, embedding, two layers", ADAPTIVE(CUTOFFS(3, 7), 19, 5, 17, 2), .n = 3, .T = 5},
    {"adaptive, three clusters, one of them of one token", ADAPTIVE(CUTOFFS(2, 3, 11), 17, 6, 64, 1), .n = 3, .T = 4},
    {"adaptive, some clusters without a target", ADAPTIVE(CUTOFFS(40, 60), 80, 4, 33, 1), .n = 1, .T = 2},
    {"adaptive, nothing is scored", ADAPTIVE(CUTOFFS(4), 9, 0, 10, 1), .n = 2, .T = 3, .unscored_share = 1},
    {"adaptive, output dropout, resets, unscored targets, three windows, adam",
     ADAPTIVE(CUTOFFS(4, 9), 23, 6, 20, 2, .dropout_output = 0.4, .dropout_between = 0.3), .n = 4, .T = 6, .windows = 3,
     .reset_share = 0.2, .unscored_share = 0.3, OPTIMIZER(.kind = PX_ADAM, .clip = 0.25)},
    {"adaptive, both penalties, embedding and output dropout, unscored targets",
     ADAPTIVE(CUTOFFS(3, 7), 19, 5, 17, 2, .penalty_activation = 2, .penalty_temporal = 1, .dropout_embedding = 0.2,
              .dropout_output = 0.4),
     .n = 3, .T = 6, .unscored_share = 0.2, .reset_share = 0.1},
    {"adaptive, lstm, Glorot weights, a tail",
     ADAPTIVE(CUTOFFS(3, 8), 21, 0, 16, 2, .cell = PX_CELL_LSTM, .init = PX_INIT_GLOROT), .n = 5, .T = 6, .batch_n = 3,
     .batch_T = 4},
    /* windows */
    {"resets", MODEL(9, 0, 10, 1), .n = 4, .T = 8, .reset_share = 0.25},
    {"resets, two layers, embedding, weight dropout", MODEL(9, 5, 10, 2, .dropout_weight = 0.3), .n = 4, .T = 8,
     .reset_share = 0.25},
    {"every step is a reset", MODEL(9, 0, 10, 2), .n = 3, .T = 4, .reset_share = 1},
    {"unscored targets", MODEL(9, 0, 10, 2), .n = 4, .T = 6, .unscored_share = 0.4},
    {"unscored targets, tied, resets", MODEL(9, 5, 10, 1, .tied = 1), .n = 4, .T = 6, .unscored_share = 0.4,
     .reset_share = 0.2},
    {"nothing is scored", MODEL(9, 0, 10, 1), .n = 2, .T = 3, .unscored_share = 1},
    {"a tail: T below the shape", MODEL(9, 0, 10, 2), .n = 3, .T = 9, .batch_T = 4},
    {"a tail with every dropout",
     MODEL(9, 6, 10, 2, .dropout_input = 0.2, .dropout_between = 0.3, .dropout_output = 0.4, .dropout_weight = 0.25),
     .n = 3, .T = 9, .batch_T = 2},
    {"fewer streams than the shape", MODEL(9, 0, 10, 2), .n = 5, .T = 6, .batch_n = 3},
    {"fewer streams and steps, embedding", MODEL(9, 4, 10, 2, .dropout_between = 0.3), .n = 5, .T = 6, .batch_n = 2,
     .batch_T = 3},
    {"three windows before an update", MODEL(9, 0, 10, 2), .n = 3, .T = 5, .windows = 3},
    /* clipping and optimisers; the gradient is the same, the update differs */
    {"sgd, clip", MODEL(9, 0, 12, 1), .n = 3, .T = 5, OPTIMIZER(.clip = 0.05)},
    {"sgd, clip above the norm", MODEL(9, 0, 12, 1), .n = 3, .T = 5, OPTIMIZER(.clip = 50)},
    {"sgd, weight decay", MODEL(9, 4, 12, 1), .n = 3, .T = 5, OPTIMIZER(.weight_decay = 0.1)},
    {"momentum", MODEL(9, 4, 12, 2), .n = 3, .T = 5, OPTIMIZER(.kind = PX_MOMENTUM, .weight_decay = 0.01, .clip = 0.1)},
    {"adam", MODEL(9, 4, 12, 2), .n = 3, .T = 5, OPTIMIZER(.kind = PX_ADAM, .clip = 0.1)},
    {"adam, weight decay", MODEL(9, 0, 12, 1), .n = 3, .T = 5, OPTIMIZER(.kind = PX_ADAM, .weight_decay = 0.1)},
    {"adamw", MODEL(9, 4, 12, 2, .tied = 1), .n = 3, .T = 5, OPTIMIZER(.kind = PX_ADAMW, .weight_decay = 0.1)},
    {"rmsprop", MODEL(9, 0, 12, 2), .n = 3, .T = 5, OPTIMIZER(.kind = PX_RMSPROP, .weight_decay = 0.01, .clip = 0.1)},
    {"adam, every dropout, resets, three windows",
     MODEL(9, 6, 10, 2, .tied = 1, .dropout_input = 0.2, .dropout_between = 0.3, .dropout_output = 0.4,
           .dropout_weight = 0.25, .dropout_locked = 1),
     .n = 3, .T = 5, .windows = 3, .reset_share = 0.1, .unscored_share = 0.1, OPTIMIZER(.kind = PX_ADAM, .clip = 0.25)},
    /* rates by tensor */
    {"sgd, rates by tensor", MODEL(9, 0, 12, 2), .n = 3, .T = 5, OPTIMIZER(.lr_scaling = PX_LR_SCALING_MUP)},
    {"momentum, embedding, rates by tensor", MODEL(9, 4, 12, 1), .n = 3, .T = 5,
     OPTIMIZER(.kind = PX_MOMENTUM, .lr_scaling = PX_LR_SCALING_MUP)},
    {"adam, tied, rates by tensor", MODEL(9, 6, 20, 2, .tied = 1), .n = 3, .T = 5,
     OPTIMIZER(.kind = PX_ADAM, .clip = 0.1, .lr_scaling = PX_LR_SCALING_MUP)},
    {"adamw, weight decay, rates by tensor", MODEL(70, 0, 60, 2), .n = 3, .T = 5, .large = 1,
     OPTIMIZER(.kind = PX_ADAMW, .weight_decay = 0.1, .lr_scaling = PX_LR_SCALING_MUP)},
    {"rmsprop, embedding, rates by tensor", MODEL(9, 4, 12, 1), .n = 3, .T = 5,
     OPTIMIZER(.kind = PX_RMSPROP, .weight_decay = 0.01, .lr_scaling = PX_LR_SCALING_MUP)},
    /* sizes that make fast engines cut: panels of units, tiles of streams, chunks of rows and of the vocabulary */
    {"characters: V = 28, h = 64", MODEL(28, 0, 64, 1), .n = 32, .T = 9, .large = 1,
     OPTIMIZER(.kind = PX_ADAM, .clip = 1)},
    {"n = 7, h = 250", MODEL(28, 0, 250, 1), .n = 7, .T = 4, .large = 1},
    {"n = 33, h = 130, two layers", MODEL(61, 0, 130, 2, .dropout_between = 0.2, .dropout_output = 0.2), .n = 33,
     .T = 3, .large = 1, .reset_share = 0.05},
    {"h = 257, weight dropout", MODEL(10, 0, 257, 1, .dropout_weight = 0.5), .n = 5, .T = 3, .large = 1},
    {"V = 5003, tied", MODEL(5003, 24, 24, 1, .tied = 1), .n = 5, .T = 8, .large = 1, .unscored_share = 0.1},
    {"V = 5003, embedding", MODEL(5003, 17, 24, 1), .n = 5, .T = 8, .large = 1},
    {"V = 1000, one-hot, locked", MODEL(1000, 0, 40, 1, .dropout_input = 0.3, .dropout_locked = 1), .n = 9, .T = 10,
     .large = 1},
    {"V = 1000, embedding dropout", MODEL(1000, 24, 40, 1, .dropout_embedding = 0.3), .n = 9, .T = 10, .large = 1},
    {"h = 130, both penalties, output dropout",
     MODEL(61, 0, 130, 1, .penalty_activation = 2, .penalty_temporal = 1, .dropout_output = 0.3), .n = 33, .T = 9,
     .large = 1, .reset_share = 0.05},
    {"adaptive, V = 5003", ADAPTIVE(CUTOFFS(300, 1500), 5003, 17, 96, 1), .n = 9, .T = 20, .large = 1,
     .unscored_share = 0.1, OPTIMIZER(.kind = PX_ADAM, .clip = 1)},
    {"adaptive, 2310 rows, two layers", ADAPTIVE(CUTOFFS(30, 60, 100), 113, 0, 130, 2, .dropout_output = 0.2), .n = 33,
     .T = 70, .large = 1, .reset_share = 0.01},
    {"2310 rows", MODEL(113, 19, 17, 2), .n = 33, .T = 70, .large = 1, .reset_share = 0.01},
};

const size_t px_case_count = sizeof px_cases / sizeof *px_cases;
