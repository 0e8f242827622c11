# Writes OUTPUT, a .cpp that holds FILES ("kName=path;…", paths from FOLDER on) as string literals, declared in HEADER in the
# namespace NAMESPACE. A literal is bounded by the compiler, and raw ones by their end mark: both are far away for files of
# some kilobytes.
set(definitions "")
foreach(entry IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.+)$" matched "${entry}")
  file(READ "${FOLDER}/${CMAKE_MATCH_2}" text)
  string(APPEND definitions "const std::string_view ${CMAKE_MATCH_1} = R\"asset(${text})asset\";\n")
endforeach()
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"

namespace ${NAMESPACE} {

${definitions}
}  // namespace ${NAMESPACE}
")
