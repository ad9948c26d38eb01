# Writes a source file that holds the text of others as C strings:
#   cmake -DOUTPUT=F.cc -DHEADER=declares_them.h "-DTEXTS=kName=FILE;..." -P embed_text.cmake
set(source "// Made by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n\nnamespace deduce {\n")
foreach(text ${TEXTS})
  string(REGEX MATCH "^([^=]+)=(.+)$" matched "${text}")
  set(name "${CMAKE_MATCH_1}")
  file(READ "${CMAKE_MATCH_2}" content)
  string(APPEND source "\nconst char ${name}[] = R\"embedded(\n${content})embedded\";\n")
endforeach()
file(WRITE "${OUTPUT}" "${source}\n}  // namespace deduce\n")
