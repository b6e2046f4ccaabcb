/* The table of one instruction set's functions. Compiled once per instruction set, beside the loops it names. */
#include "isa_local.h"

const px_isa PX_ISA_NAME(isa) = {
    .name = PX_ISA_TEXT,
    .panel = PX_PANEL,
    .tile_rows = PX_TILE_ROWS,
#define PX_ISA_ENTRY(type, function, arguments) .function = PX_ISA_NAME(function),
    PX_ISA_FUNCTIONS(PX_ISA_ENTRY).optimizer = PX_ISA_NAME(optimizers),
    .cell =
        {
#define PX_ISA_CELL(NAME, name, ...) [PX_CELL_##NAME] = {PX_ISA_NAME(name##_forward), PX_ISA_NAME(name##_backward)},
            PX_CELLS(PX_ISA_CELL)},
};
