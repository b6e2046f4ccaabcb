/* The cells that a layer can be made of, in one list: from it come the enum, the names and values of --cell, the
 * parameter table, the sizes of buffers, the shapes in checkpoints. A cell's equations stand in cells/NAME.h
 * (cells/maths.h says what such a file gives).
 *
 * A cell has G gates, each a row block of W_xh [G h, in], W_hh [G h, h] and b_h [G h], and S states; the first state is
 * H, which goes up and comes back through W_hh. A "lone" gate's recurrent product is not added to its input term: it is
 * kept apart, u = H_{t-1} W_hn + b_hn, with a bias of its own, so that the cell may multiply it first (GRU's n). A cell
 * that keeps its gates needs their values for the backward pass; one that does not has G = 1 and works from H alone, in
 * H's place. */
#ifndef PX_CELLS_H
#define PX_CELLS_H

enum { PX_NO_GATE = -1 };

#define PX_CELLS(X)                                                                                                    \
    /* enum, name, for people, torch.nn's module (NULL: none), G, S, keeps its gates (1) or not (0), */                \
    /* lone gate, gate whose bias starts at 1 */                                                                       \
    X(TANH, tanh, "tanh", "RNN", 1, 1, 0, PX_NO_GATE, PX_NO_GATE)                                                      \
    X(RELU, relu, "ReLU", "RNN", 1, 1, 0, PX_NO_GATE, PX_NO_GATE)                                                      \
    X(GRU, gru, "GRU", "GRU", 3, 1, 1, 2, PX_NO_GATE)                                                                  \
    X(LSTM, lstm, "LSTM", "LSTM", 4, 2, 1, PX_NO_GATE, 1)

typedef enum px_cell {
#define PX_CELL_ENUM(NAME, name, label, torch, gates, states, keeps, lone, ones) PX_CELL_##NAME,
    PX_CELLS(PX_CELL_ENUM)
#undef PX_CELL_ENUM
        PX_CELL_COUNT
} px_cell;

enum { PX_CELL_GATES_MAX = 4, PX_CELL_STATES_MAX = 2 };

typedef struct px_cell_info {
    const char *name;  /* "lstm": a value of --cell */
    const char *label; /* "LSTM": for people */
    const char *torch; /* torch.nn's module with the same equations, or NULL */
    int gates, states; /* G, S */
    int keeps;         /* 1: the gates' values are kept for the backward pass */
    int lone;          /* gate whose recurrent product is kept apart, or PX_NO_GATE */
    int ones;          /* gate whose bias starts at 1, or PX_NO_GATE */
} px_cell_info;

const px_cell_info *px_cell_of(px_cell cell);
/* Names in the order of the enum, ended by NULL: the values of --cell. */
extern const char *const px_cell_names[];

#endif
