/* What a result must say about where it was measured: machine, pinning, build, libraries, commit. */
#ifndef PX_ENVIRONMENT_H
#define PX_ENVIRONMENT_H

#include <cjson/cJSON.h>

/* Adds "commit", "machine", "pinning", "build" and "libraries" to object. No host name, user or path goes in. */
void px_environment_add(cJSON *object);

#endif
