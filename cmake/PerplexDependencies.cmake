# Libraries that perplex stands on. Found by header and library, since Debian's packages differ in what CMake files they
# bring (Debian 12's dnnl-config.cmake demands OpenCL). A missing one ends the configuration with the package to install.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)

# px_dependency(target header library package): an imported target, or a clear error.
function(px_dependency target header library package)
  find_path(${target}_INCLUDE ${header})
  find_library(${target}_LIBRARY ${library})
  mark_as_advanced(${target}_INCLUDE ${target}_LIBRARY)
  if(NOT ${target}_INCLUDE OR NOT ${target}_LIBRARY)
    message(FATAL_ERROR "${library} was not found (header ${header}): apt-get install ${package}")
  endif()
  add_library(perplex::${target} UNKNOWN IMPORTED GLOBAL)
  set_target_properties(perplex::${target} PROPERTIES
    IMPORTED_LOCATION "${${target}_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${${target}_INCLUDE}")
endfunction()

px_dependency(dnnl dnnl.h dnnl libdnnl-dev)
px_dependency(cjson cjson/cJSON.h cjson libcjson-dev)
px_dependency(utf8proc utf8proc.h utf8proc libutf8proc-dev)
px_dependency(xxhash xxhash.h xxhash libxxhash-dev)
if(PERPLEX_TESTS)
  px_dependency(cmocka cmocka.h cmocka libcmocka-dev)
endif()
