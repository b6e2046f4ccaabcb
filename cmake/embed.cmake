# Files as arrays of a C file, so that a program carries them: cmake -DOUT=pages.c -DFILES="page.html;page.css" -P embed.cmake makes
# const char px_page_html[] and px_page_css[], each ended by NUL.
set(text "/* Made by embed.cmake; edit the files instead. */\n")
foreach(file IN LISTS FILES)
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER px_${name} name)
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REPLACE "0x0a," "0x0a,\n" bytes "${bytes}") # a row for each line
  string(APPEND text "extern const char ${name}[];\nconst char ${name}[] = {\n${bytes}0x00};\n")
endforeach()
file(WRITE ${OUT} "${text}")
