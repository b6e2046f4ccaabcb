/* What the processor uses: the energy counters (RAPL) that Linux shows in /sys/class/powercap, on Intel and AMD alike.
 * They count whole packages, with everything that runs there, and memory where it has a counter of its own. */
#ifndef PX_ENERGY_H
#define PX_ENERGY_H

#include <perplex/status.h>

typedef struct px_energy px_energy;

/* Finds the counters, in the folder that PERPLEX_POWERCAP names if it does. PX_ERR_DEVICE says why there are none: a
 * virtual machine, or a kernel that shows them to root alone. The caller closes. */
px_status px_energy_open(px_energy **energy);
void px_energy_close(px_energy *energy); /* NULL does nothing */
/* Joules since it was opened. A counter that has begun anew meanwhile is seen through once: read at least every few
 * minutes. PX_ERR_DEVICE or PX_ERR_IO where a counter can no longer be read. */
px_status px_energy_read(px_energy *energy, double *joules);
/* What is counted: "RAPL package-0, package-1, dram"; valid until it is closed. */
const char *px_energy_counters(const px_energy *energy);

#endif
