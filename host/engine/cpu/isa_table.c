/* The table of one instruction set's functions. Compiled once per instruction set, beside the loops it names, and for
 * other shapes of its tile. */
#include "isa_local.h"

const px_isa PX_TILE_NAME(isa) = {
    .name = PX_ISA_TEXT,
    .panel = PX_PANEL,
    .tile_rows = PX_TILE_ROWS,
#define PX_TILE_ENTRY(type, function, arguments) .function = PX_TILE_NAME(function),
#define PX_LOOP_ENTRY(type, function, arguments) .function = PX_ISA_NAME(function),
    PX_TILE_FUNCTIONS(PX_TILE_ENTRY) PX_LOOP_FUNCTIONS(PX_LOOP_ENTRY).optimizer = PX_ISA_NAME(optimizers),
    .cell =
        {
#define PX_ISA_CELL(NAME, name, ...) [PX_CELL_##NAME] = {PX_ISA_NAME(name##_forward), PX_ISA_NAME(name##_backward)},
            PX_CELLS(PX_ISA_CELL)},
};
