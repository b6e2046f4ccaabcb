# Which perplex this is. px_read_version(RESULT): the version, which stands in include/perplex/version.h alone.
function(px_read_version result)
  set(header ${CMAKE_CURRENT_SOURCE_DIR}/include/perplex/version.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  file(STRINGS ${header} lines REGEX "^#define PERPLEX_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  list(TRANSFORM lines REPLACE "^#define PERPLEX_VERSION_[A-Z]+ ([0-9]+).*" "\\1")
  list(JOIN lines "." version)
  if(NOT version MATCHES "^[0-9]+\\.[0-9]+\\.[0-9]+$")
    message(FATAL_ERROR "${header}: no PERPLEX_VERSION_MAJOR, MINOR and PATCH")
  endif()
  set(${result} ${version} PARENT_SCOPE)
endfunction()

# px_with_commit(TARGET): its files may include px_commit.h, in which PX_COMMIT names the commit that was built; made anew at
# every build.
function(px_with_commit target)
  set(header ${PROJECT_BINARY_DIR}/commit/px_commit.h)
  if(NOT TARGET px_commit)
    add_custom_target(px_commit
      COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DOUT=${header} -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake
      BYPRODUCTS ${header} COMMENT "Asking git for the commit" VERBATIM)
  endif()
  add_dependencies(${target} px_commit)
  target_include_directories(${target} PRIVATE ${PROJECT_BINARY_DIR}/commit)
endfunction()
