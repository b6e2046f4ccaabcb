/** @file
 * The version of perplex: the one place where it stands. CMake reads it here, and from there it comes into the
 * library's soname, the names of packages and the manual pages. */
#ifndef PERPLEX_VERSION_H
#define PERPLEX_VERSION_H

/** @name The version of these headers
 * px_version() says that of the library that is loaded. While MAJOR is 0, programs must be rebuilt where MINOR goes up.
 * @{ */
#define PERPLEX_VERSION_MAJOR 0 /**< goes up where programs must be changed */
#define PERPLEX_VERSION_MINOR 2 /**< goes up with what is new */
#define PERPLEX_VERSION_PATCH 0 /**< goes up with corrections */
/** @} */

/** @cond */
#define PERPLEX_VERSION_TEXT_(major, minor, patch) #major "." #minor "." #patch
#define PERPLEX_VERSION_TEXT(major, minor, patch) PERPLEX_VERSION_TEXT_(major, minor, patch)
/** @endcond */

/** All three as text, with points between them. */
#define PERPLEX_VERSION PERPLEX_VERSION_TEXT(PERPLEX_VERSION_MAJOR, PERPLEX_VERSION_MINOR, PERPLEX_VERSION_PATCH)

#endif
