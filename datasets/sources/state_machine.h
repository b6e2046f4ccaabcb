/* Sources of symbols whose entropy rate is known exactly: unifilar finite-state machines.
 *
 * A machine is in one of its states; there it emits a symbol with a given probability and goes to the state that
 * belongs to the symbol. Unifilar: in a state each symbol leads to one state only, so the symbols tell the states, and
 * the entropy rate is that of the next symbol given the state, averaged over the stationary distribution:
 *     H = sum_s pi_s sum_x -p(x|s) log2 p(x|s)  bits per symbol,   pi = pi P.
 * Source: Shannon 1948, section 7; Crutchfield and Young, Phys. Rev. Lett. 63 (1989) for the examples. */
#ifndef PX_STATE_MACHINE_H
#define PX_STATE_MACHINE_H

#include <perplex/status.h>
#include <stddef.h>
#include <stdint.h>

enum { PX_MACHINE_MAX_STATES = 512, PX_MACHINE_MAX_SYMBOLS = 4096 };

typedef struct px_machine_edge {
    int32_t symbol, next;
    double probability; /* of the symbol in its state; > 0 */
} px_machine_edge;

typedef struct px_machine {
    char **state_names, **symbols; /* [states], [symbols]; NUL-terminated */
    int32_t states, symbol_count;
    px_machine_edge *edges; /* grouped by state, in the order in which they were written */
    size_t *first;          /* [states+1] where a state's edges begin */
    double *stationary;     /* [states]; 0 for states that are left for ever */
    double entropy_bits;    /* per symbol; 0 for a machine that leaves no choice */
} px_machine;

void px_machine_destroy(px_machine *machine);

/* From text: a line for each edge, "STATE SYMBOL PROBABILITY NEXT", separated by blanks; a probability is a decimal
 * number or a fraction such as 1/3; # at a line's start or end begins a comment; the first state is where the machine
 * starts. In a symbol \s is a space, \n a newline, \\ a backslash. PX_ERR_INPUT names the line, or the state whose
 * probabilities do not add up to 1 (within 1e-9; they are then scaled to), that says a symbol twice, or that leads to
 * nowhere; also where more than one set of states could be the one that the machine stays in. */
px_status px_machine_read(const char *text, size_t bytes, const char *source, px_machine **machine);

/* The one of that name that is built in, else the file of that name. */
px_status px_machine_open(const char *name, px_machine **machine);

/* One that is built in ("golden-mean", ...); NULL text for an unknown name. The list ends with a NULL name. */
typedef struct px_machine_builtin {
    const char *name, *about, *text;
} px_machine_builtin;
extern const px_machine_builtin px_machine_builtins[];
const char *px_machine_builtin_text(const char *name);

/* A cycle of words, separated by blanks: no choice, entropy 0. */
px_status px_machine_cycle(const char *words, px_machine **machine);

/* A machine drawn from a seed: in each state every symbol leads somewhere, with probabilities that differ widely. */
px_status px_machine_random(int32_t states, int32_t symbols, uint64_t seed, px_machine **machine);

/* Walking: the state starts at 0 (where the machine starts); draw is the number of the symbol, from 0. Symbol i of seed
 * s is drawn with element i of Philox stream (s, PX_RANDOM_SYNTHETIC). Returns the edge taken. */
const px_machine_edge *px_machine_step(const px_machine *machine, int32_t *state, uint64_t seed, uint64_t draw);

#endif
