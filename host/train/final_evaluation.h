/* What a run ends with: its best model, scored. */
#ifndef PX_FINAL_EVALUATION_H
#define PX_FINAL_EVALUATION_H

#include "run.h"

/* The best model, each text as one stream: validation from zero and from the state carried out of training; test from
 * zero. The engine then holds the best weights: nothing can be trained on. */
px_status px_run_final_evaluation(px_run *run);

#endif
