/** @file
 * What every header of libperplex includes: which functions are visible, and which version is loaded. */
#ifndef PERPLEX_API_H
#define PERPLEX_API_H

#include <perplex/version.h>

/** Marks a function of the library; everything else in it is hidden. */
#if defined(__GNUC__)
#define PERPLEX_API __attribute__((visibility("default")))
#else
#define PERPLEX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library that is loaded, written as PERPLEX_VERSION is. */
PERPLEX_API const char *px_version(void);

/** Frees what a call of the library allocated for its caller (the call says so); NULL does nothing. */
PERPLEX_API void px_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
