/* Names of the ways to compute a recurrence: see recurrence_choice.h. */
#include "recurrence_choice.h"

#include <stddef.h>

const char *const px_recurrence_names[] = {"auto", "step", "fused", "persistent", "grid", "wide", NULL};

const char *px_recurrence_name(px_recurrence recurrence) { return px_recurrence_names[recurrence]; }
