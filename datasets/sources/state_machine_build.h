/* Between the files of this folder: how a machine is put together before it is checked. */
#ifndef PX_STATE_MACHINE_BUILD_H
#define PX_STATE_MACHINE_BUILD_H

#include "state_machine.h"

/* Checks the closed set of states, fills stationary and entropy_bits. */
px_status px_machine_finish(px_machine *machine, const char *source);

#endif
