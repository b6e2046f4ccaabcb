# Writes OUT with the commit of SOURCE, "-dirty" where the tree differs from it; left alone where nothing changed, so that nothing
# is compiled again. A source archive has its commit in commit.txt (git archive writes it: .gitattributes).
include(${CMAKE_CURRENT_LIST_DIR}/write_if_different.cmake)
find_program(GIT git)
set(commit unknown)
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/commit.txt archived LIMIT_COUNT 1)
if(archived MATCHES "^[0-9a-f]+$")
  string(SUBSTRING ${archived} 0 12 commit)
elseif(GIT)
  execute_process(COMMAND ${GIT} describe --always --dirty --abbrev=12 WORKING_DIRECTORY ${SOURCE}
                  OUTPUT_VARIABLE described ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit ${described})
  endif()
endif()
px_write_if_different(${OUT} "#define PX_COMMIT \"${commit}\"\n")
