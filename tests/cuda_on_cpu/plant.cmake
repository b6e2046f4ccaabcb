# Makes a copy of the kernels with one fault in it:  cmake -D FAULT=FILE -P plant.cmake
#
# FAULT sets NAME, KERNELS (folder), FOLDER (of the copy), FILE, SOURCE, OLD and NEW (planted.cmake). Comments and the amount of white space do
# not count: they are taken out of the copy before OLD is looked for. A fault whose text is not there exactly once is stale: the copy is then
# a program that says so and fails, so that the test does, and neither the build nor anybody else's configuring.
include(${FAULT})

# code_of(text variable): without comments.
function(code_of text variable)
  string(REGEX REPLACE "/\\*[^*]*\\*+([^/*][^*]*\\*+)*/" " " text "${text}")
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# pattern_of(text variable): a regular expression for it, whatever its white space.
function(pattern_of text variable)
  string(REGEX REPLACE "([][+.*()^$?|\\])" "\\\\\\1" text "${text}")
  string(STRIP "${text}" text)
  string(REGEX REPLACE "[ \t\r\n]+" "[ \t\r\n]*" text "${text}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

file(GLOB headers RELATIVE ${KERNELS} ${KERNELS}/*.h)
file(MAKE_DIRECTORY ${FOLDER})
foreach(name ${headers} ${SOURCE}.cu)
  configure_file(${KERNELS}/${name} ${FOLDER}/${name} COPYONLY)
endforeach()

file(READ ${KERNELS}/${FILE} text)
code_of("${text}" text)
pattern_of("${OLD}" pattern)
string(REGEX REPLACE "${pattern}" "@PLANTED@" marked "${text}")
string(REGEX MATCHALL "@PLANTED@" found "${marked}")
list(LENGTH found count)
string(REPLACE "@PLANTED@" "${NEW}" marked "${marked}")
set(start "")
if(NOT count EQUAL 1)
  set(start "#include <cstdio>\n#include <cstdlib>\nstatic const int stale_ = (std::fputs(\"planted fault ${NAME} is stale: kernels/${FILE} holds its text ${count} times\\n\", stderr), std::_Exit(1), 0);\n")
endif()
file(WRITE ${FOLDER}/${FILE} "${marked}")
file(WRITE ${FOLDER}/planted.cpp "${start}#include \"${SOURCE}.cu\"\n")
