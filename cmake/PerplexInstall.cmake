# `cmake --install BUILD --prefix PREFIX`: the program, the library with its headers, CMake and pkg-config files, the manual page
# and the shells' completions. The CUDA module, where it was built, goes to LIBDIR/perplex (host/engine/cuda/CMakeLists.txt).
include(CMakePackageConfigHelpers)

install(TARGETS perplex RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS perplex_shared EXPORT perplexTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/perplex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES examples/continue_line.c DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/perplex/examples)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/perplex)

set(px_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/perplex)
install(EXPORT perplexTargets NAMESPACE perplex:: DESTINATION ${px_package_folder})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/perplexConfig.cmake.in ${CMAKE_BINARY_DIR}/perplexConfig.cmake
  INSTALL_DESTINATION ${px_package_folder})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/perplexConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/perplexConfig.cmake ${CMAKE_BINARY_DIR}/perplexConfigVersion.cmake DESTINATION ${px_package_folder})

# the prefix is found from where the file lies, so that a tree can be moved
file(RELATIVE_PATH PX_PKGCONFIG_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
set(PX_OPTIONAL_LIBRARIES "")
if(PERPLEX_ZLIB)
  string(APPEND PX_OPTIONAL_LIBRARIES " -lz")
endif()
if(PERPLEX_ZSTD)
  string(APPEND PX_OPTIONAL_LIBRARIES " -lzstd")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/perplex.pc.in ${CMAKE_BINARY_DIR}/perplex.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/perplex.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The manual page and the completions are what the program itself says of its flags. A program that does not run here (built for
# another machine) cannot say it: they are left out then.
if(NOT CMAKE_CROSSCOMPILING)
  set(px_pages ${CMAKE_BINARY_DIR}/share/perplex.1 ${CMAKE_BINARY_DIR}/share/perplex ${CMAKE_BINARY_DIR}/share/_perplex)
  # a build with sanitizers may run where the leak checker cannot
  set(px_say ${CMAKE_COMMAND} -E env ASAN_OPTIONS=detect_leaks=0 $<TARGET_FILE:perplex> completion)
  add_custom_command(OUTPUT ${px_pages}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/share
    COMMAND ${px_say} man > ${CMAKE_BINARY_DIR}/share/perplex.1
    COMMAND ${px_say} bash > ${CMAKE_BINARY_DIR}/share/perplex
    COMMAND ${px_say} zsh > ${CMAKE_BINARY_DIR}/share/_perplex
    DEPENDS perplex COMMENT "Writing the manual page and the shells' completions" VERBATIM)
  add_custom_target(perplex_pages ALL DEPENDS ${px_pages})
  install(FILES ${CMAKE_BINARY_DIR}/share/perplex.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${CMAKE_BINARY_DIR}/share/perplex DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${CMAKE_BINARY_DIR}/share/_perplex DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()

# The manual pages of libperplex, perplex(3), where Doxygen is there.
find_program(PERPLEX_DOXYGEN doxygen)
mark_as_advanced(PERPLEX_DOXYGEN)
if(PERPLEX_DOXYGEN)
  file(GLOB px_api_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/perplex/*.h)
  set(px_api_pages ${CMAKE_BINARY_DIR}/share/man3)
  add_custom_command(OUTPUT ${px_api_pages}/perplex.3
    COMMAND ${CMAKE_COMMAND} -DDOXYGEN=${PERPLEX_DOXYGEN} -DSOURCE=${CMAKE_SOURCE_DIR} -DWORK=${CMAKE_BINARY_DIR}/share/doxygen
            -DOUT=${px_api_pages} -DVERSION=${PROJECT_VERSION} -P ${CMAKE_CURRENT_LIST_DIR}/api_pages.cmake
    DEPENDS ${px_api_headers} ${CMAKE_SOURCE_DIR}/docs/Doxyfile ${CMAKE_CURRENT_LIST_DIR}/api_pages.cmake
    COMMENT "Writing the manual pages of libperplex" VERBATIM)
  add_custom_target(perplex_api_pages ALL DEPENDS ${px_api_pages}/perplex.3)
  install(DIRECTORY ${px_api_pages} DESTINATION ${CMAKE_INSTALL_MANDIR})
else()
  message(STATUS "the manual pages of libperplex are left out: no doxygen")
endif()

include(PerplexBundle)
