/* perplex --version: which perplex this is, and what it can do here. */
#ifndef PX_CLI_VERSION_H
#define PX_CLI_VERSION_H

#include <stdio.h>

/* The version, alone on the first line; then commit, compiler, instruction sets, and a line for each optional part with
 * "yes" or "no". Parts that are loaded when they are needed count where they are found on this machine. */
void px_version_print(FILE *out);

#endif
