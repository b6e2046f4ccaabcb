/* Flags that a person gave and that have no effect beside the others: said, one line each, as a wrong wish must not
 * stay unnoticed. */
#ifndef PX_IDLE_H
#define PX_IDLE_H

#include "options.h"

/* Of a training that starts with this configuration: hands a line "warning: ..." to say for each idle flag of the
 * command line (what comes from
 * --config FILE is not asked: a run's own file holds every setting). */
void px_idle_flags(const px_command_line *line, const px_config *config, void (*say)(void *context, const char *text),
                   void *context);

#endif
