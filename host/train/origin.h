/* A new run that begins from the weights of another model (--init-from). */
#ifndef PX_ORIGIN_H
#define PX_ORIGIN_H

#include "run.h"

/* Opens config.init_from, where it is given, and makes sure that the run can begin from it: its fingerprint then stands
 * in the configuration, its vocabulary in run->given_vocabulary unless the text is to make one. */
px_status px_run_open_origin(px_run *run);
void px_run_close_origin(px_run *run);
/* Lays its weights over the initial ones in run->buffer, and both into the engine, with the moments where they are
 * asked for. */
px_status px_run_take_origin(px_run *run);

#endif
