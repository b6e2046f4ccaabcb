# perplex(3) and its sections, out of the public headers by Doxygen:
#   cmake -DDOXYGEN=... -DSOURCE=... -DWORK=... -DOUT=.../man3 -DVERSION=... -P api_pages.cmake
# Doxygen calls a page as the header is called (model.h.3), which other libraries' pages may be called too, and makes pages for
# fields and macros: here it is perplex.3, perplex_model.3 and so on, and a page for each type and function.
file(REMOVE_RECURSE ${WORK} ${OUT})
file(MAKE_DIRECTORY ${WORK} ${OUT})
file(READ ${SOURCE}/docs/Doxyfile settings)
file(WRITE ${WORK}/Doxyfile "${settings}\nOUTPUT_DIRECTORY = ${WORK}\nGENERATE_HTML = NO\nGENERATE_MAN = YES\nMAN_LINKS = YES\n")
execute_process(COMMAND ${DOXYGEN} ${WORK}/Doxyfile WORKING_DIRECTORY ${SOURCE} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(failed)
  message(FATAL_ERROR "doxygen: ${said}")
endif()

file(GLOB headers RELATIVE ${WORK}/man/man3 ${WORK}/man/man3/*.h.3)
set(sections "")
foreach(header ${headers})
  string(REGEX REPLACE "^(.*)\\.h\\.3$" "perplex_\\1" name ${header})
  if(NOT name STREQUAL "perplex_perplex")
    string(APPEND sections ", \\fB${name}\\fP(3)")
  endif()
endforeach()

file(GLOB pages RELATIVE ${WORK}/man/man3 ${WORK}/man/man3/*.h.3 ${WORK}/man/man3/px_*.3)
foreach(page ${pages})
  file(READ ${WORK}/man/man3/${page} text)
  string(REGEX REPLACE "^(.*)\\.h\\.3$" "perplex_\\1.3" name ${page})
  string(REPLACE "perplex_perplex" "perplex" name ${name})
  string(REGEX REPLACE "\\.3$" "" title ${name})
  string(REGEX REPLACE "^\\.so man3/([a-z]+)\\.h\\.3" ".so man3/perplex_\\1.3" text "${text}")
  string(REGEX REPLACE "\\.TH [^\n]*" ".TH \"${title}\" 3 \"\" \"perplex ${VERSION}\" \"libperplex\"" text "${text}")
  string(REGEX REPLACE "include/perplex/([a-z]+)\\.h \\\\-" "${title} \\\\-" text "${text}")
  string(REPLACE "\\n\"" "\\en\"" text "${text}") # in code; Doxygen writes what groff takes for a register
  if(NOT text MATCHES "^\\.so ")
    string(APPEND text ".SH \"SEE ALSO\"\n\\fBperplex\\fP(1), \\fBperplex\\fP(3)${sections}\n")
  endif()
  file(WRITE ${OUT}/${name} "${text}")
endforeach()
