/** @file
 * What every header of libperplex includes: which functions are visible, and which version this is. */
#ifndef PERPLEX_API_H
#define PERPLEX_API_H

/** @name The version of these headers
 * px_version() says that of the library that is loaded.
 * @{ */
#define PERPLEX_VERSION_MAJOR 0 /**< goes up where programs must be changed */
#define PERPLEX_VERSION_MINOR                                                                                          \
    1 /**< goes up with what is new (while the major one is 0: where programs must be built anew) */
#define PERPLEX_VERSION_PATCH 0 /**< goes up with corrections */
/** @} */

/** Marks a function of the library; everything else in it is hidden. */
#if defined(__GNUC__)
#define PERPLEX_API __attribute__((visibility("default")))
#else
#define PERPLEX_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** "0.1.0": the version of the library that is loaded. */
PERPLEX_API const char *px_version(void);

/** Frees what a call of the library allocated for its caller (the call says so); NULL does nothing. */
PERPLEX_API void px_free(void *memory);

#ifdef __cplusplus
}
#endif
#endif
