/* The list of cells as a table: see cells.h. */
#include "cells.h"

#include <stddef.h>

#define PX_CELL_FITS(NAME, name, label, torch, gates, states, keeps, lone, ones)                                       \
    _Static_assert((gates) <= PX_CELL_GATES_MAX && (states) <= PX_CELL_STATES_MAX &&                                   \
                       ((keeps) || ((gates) == 1 && (states) == 1)),                                                   \
                   label                                                                                               \
                   ": raise PX_CELL_GATES_MAX or PX_CELL_STATES_MAX; a cell of several gates or states keeps them");
PX_CELLS(PX_CELL_FITS)

static const px_cell_info cells[] = {
#define PX_CELL_ROW(NAME, name, label, torch, gates, states, keeps, lone, ones)                                        \
    [PX_CELL_##NAME] = {#name, label, torch, gates, states, keeps, lone, ones},
    PX_CELLS(PX_CELL_ROW)};

const char *const px_cell_names[] = {
#define PX_CELL_NAME(NAME, name, label, torch, gates, states, keeps, lone, ones) [PX_CELL_##NAME] = #name,
    PX_CELLS(PX_CELL_NAME)[PX_CELL_COUNT] = NULL};

const px_cell_info *px_cell_of(px_cell cell) { return &cells[cell]; }
