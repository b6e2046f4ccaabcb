# Packages that run on systems where nothing was installed for them (scripts/package.sh).
#
#   PERPLEX_BUNDLE=OFF      (default) an installation uses the libraries of its system.
#   PERPLEX_BUNDLE=PRIVATE  it brings along those that not every Debian has: all but the C library, zlib, zstd and tinfo.
#   PERPLEX_BUNDLE=ALL      all but the C library.
#   PERPLEX_BUNDLE_DOCS     a folder whose files go to share/doc/perplex.
#
# They lie in LIBDIR/perplex, where program and library find them wherever the tree is moved to.
set(PERPLEX_BUNDLE OFF CACHE STRING "Libraries that an installation brings along: OFF, PRIVATE or ALL")
set_property(CACHE PERPLEX_BUNDLE PROPERTY STRINGS OFF PRIVATE ALL)
set(PERPLEX_BUNDLE_DOCS "" CACHE PATH "A folder of files for share/doc/perplex")

if(PERPLEX_BUNDLE)
  set(PX_BUNDLE_LEFT "c|m|dl|rt|pthread|gcc_s")
  if(PERPLEX_BUNDLE STREQUAL "PRIVATE")
    string(APPEND PX_BUNDLE_LEFT "|z|zstd|tinfo")
  elseif(NOT PERPLEX_BUNDLE STREQUAL "ALL")
    message(FATAL_ERROR "PERPLEX_BUNDLE=${PERPLEX_BUNDLE}: OFF, PRIVATE or ALL")
  endif()
  set_target_properties(perplex perplex_shared PROPERTIES INSTALL_RPATH_USE_LINK_PATH OFF)
  set_target_properties(perplex PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}/perplex")
  set_target_properties(perplex_shared PROPERTIES INSTALL_RPATH "$ORIGIN/perplex")
  if(TARGET perplex_cuda)
    # of its system it needs the driver, cuBLAS and the C library
    set_target_properties(perplex_cuda PROPERTIES INSTALL_RPATH_USE_LINK_PATH OFF INSTALL_RPATH "")
    target_link_options(perplex_cuda PRIVATE -static-libstdc++ -static-libgcc)
  endif()
  configure_file(${CMAKE_CURRENT_LIST_DIR}/bundle.cmake.in ${CMAKE_BINARY_DIR}/bundle.cmake.in @ONLY)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/bundle.cmake INPUT ${CMAKE_BINARY_DIR}/bundle.cmake.in)
  install(SCRIPT ${CMAKE_BINARY_DIR}/bundle.cmake)
  if(PERPLEX_BUNDLE_DOCS)
    install(DIRECTORY ${PERPLEX_BUNDLE_DOCS}/ DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/perplex)
  endif()
endif()

# ---- CPack
set(CPACK_PACKAGE_NAME perplex)
set(CPACK_PACKAGE_VENDOR perplex)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "recurrent language models: training, evaluation, sampling")
set(CPACK_PACKAGE_DESCRIPTION
  "perplex trains recurrent neural networks (tanh, ReLU, GRU, LSTM) on text, as
models over bytes, characters or words, measures their perplexity and lets
them write. It comes with libperplex, a C library that opens such models.")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_SYSTEM_NAME ${CMAKE_SYSTEM_PROCESSOR}-linux)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# scripts/package_build.sh says what the files need of Debian: CPack's own reading fails at libcublas, which no package has
if(NOT CPACK_DEBIAN_PACKAGE_DEPENDS)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
endif()
# what dpkg is told of libperplex; older versions of CPack would write scripts that lintian holds for errors
set(px_soname ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
file(WRITE ${CMAKE_BINARY_DIR}/debian/shlibs "libperplex ${px_soname} perplex (>= ${px_soname}), perplex (<< ${px_soname}.99)\n")
file(WRITE ${CMAKE_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_BINARY_DIR}/debian/shlibs ${CMAKE_BINARY_DIR}/debian/triggers)
include(CPack)
