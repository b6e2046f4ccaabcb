/* A recurrent network that is exact: its weights are constructed from a finite automaton, not trained.
 *
 * The automaton (state_machine.h) is unifilar: state and symbol tell the next state. The network has a unit for each
 * edge (s, x, s'), which is on after symbol x was read in state s, and one more unit u that is on after any symbol.
 * Exactly one edge unit is on. Before anything was read H = 0, which stands for the automaton's first state. With on(s)
 * = 1 where a unit of an edge into s was on,
 *     z_e = A (token is x) + A on(s) - threshold,    threshold = A (ReLU) or 3/2 A (tanh)
 * ReLU, A = 1: H is 1 or 0. tanh, A = 40: z is +-20, where tanh is +-1 in fp32 and double alike, so that on(s) is a sum
 * of (H + 1) / 2. Before the first symbol u = 0 tells the units of the first state's edges that they are meant. The
 * output's logits, for the edge that is on, are
 *     O_x = 40 + log p(x | s')   for symbols that may follow,  0 for others, whose share e^-40 is below what a double resolves beside 1
 * so that softmax(O) is the source's own distribution: on a language without choice every token has probability 1 and
 * perplexity 1; on others the loss of a text is its code length under the source, and the entropy rate on average.
 * <unk> has bias -infinity and so probability 0 (perplexity infinity), unless it is a symbol of the automaton. Sources:
 * Minsky 1967, Computation: Finite and Infinite Machines, 3.5 (a unit for each pair of state and input); Dive into Deep
 * Learning, exercises of 8.4. */
#ifndef PX_CONSTRUCT_H
#define PX_CONSTRUCT_H

#include "corpus.h"
#include "parameters.h"
#include "state_machine.h"

enum { PX_CONSTRUCT_MAX_HIDDEN = 8192 };

/* The vocabulary of the automaton's symbols; level as in px_text_options, -1: byte where every symbol is one byte, else
 * word. At word level the symbol newline is <eos>. PX_ERR_INPUT names a symbol that is no token of the level. */
px_status px_construct_vocabulary(const px_machine *machine, int level, const char *source, px_vocabulary **vocabulary);

/* 1: symbols can be tokens of that px_level; weights can be written down for units of that px_cell. */
int px_construct_takes_level(int level);
int px_construct_takes_cell(int cell);

/* Sizes of the network: one layer, one-hot input, a unit for each edge and one more. PX_ERR_ARGUMENT with too many
 * edges. */
px_status px_construct_sizes(const px_machine *machine, const px_vocabulary *vocabulary, px_cell cell,
                             px_model_config *model);

/* The weights, file layout, into flat [table->count]; table is that of those sizes. */
px_status px_construct_weights(const px_machine *machine, const px_vocabulary *vocabulary, const px_model_config *model,
                               const px_parameters *table, float *flat);

#endif
