/* The runs below a folder, a line each: what `perplex runs` prints. */
#ifndef PX_RUN_LIST_H
#define PX_RUN_LIST_H

#include "run_data.h"

typedef struct px_run_entry {
    char *folder;     /* owned */
    px_status status; /* not PX_OK: the folder has a metrics.jsonl that cannot be read; the fields below are empty */
    char *error;      /* owned; then */
    px_run_condition condition;
    char reason[48], device[32], model[96];
    int64_t steps, best_step, parameters, tokens;
    double best_perplexity, test_perplexity, tokens_per_s; /* NaN: not known */
    double loss, share, seconds_left; /* of training, the latest; of the whole run; NaN: not known */
    double bytes;                     /* of the folder's files */
    double modified;                  /* seconds since 1970 */
} px_run_entry;

typedef struct px_run_list {
    px_run_entry *entry;
    size_t count, room;
} px_run_list;

typedef enum px_run_order {
    PX_RUNS_BY_NAME,
    PX_RUNS_BY_STATE,
    PX_RUNS_BY_STEPS,
    PX_RUNS_BY_PERPLEXITY,
    PX_RUNS_BY_SPEED,
    PX_RUNS_BY_PARAMETERS,
    PX_RUNS_BY_TIME,
    PX_RUN_ORDERS
} px_run_order;

/* "name", "state", "steps", "perplexity", "speed", "parameters", "time" */
extern const char *const px_run_order_names[PX_RUN_ORDERS];

/* Every folder at or below `folder`, four levels deep at most, that holds a metrics.jsonl. Links are not followed.
 * PX_ERR_INPUT where there is no such folder. The caller frees the list. */
px_status px_run_list_read(const char *folder, px_run_list *list);
/* Names rise, states go from running to failed, the lowest perplexity, the most steps, speed and parameters and the
 * latest come first. */
void px_run_list_sort(px_run_list *list, px_run_order order);
void px_run_list_free(px_run_list *list); /* zeroed afterwards */

#endif
