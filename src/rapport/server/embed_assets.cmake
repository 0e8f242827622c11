# Writes ASSETS, a .cpp that holds the files of page/ as string literals. A literal is bounded by the compiler, and raw
# ones by their end mark: both are far away for files of some kilobytes.
function(embed_asset name file)
  file(READ "${CMAKE_CURRENT_LIST_DIR}/page/${file}" text)
  string(APPEND definitions "const std::string_view ${name} = R\"asset(${text})asset\";\n")
  set(definitions "${definitions}" PARENT_SCOPE)
endfunction()

set(definitions "")
embed_asset(kPageHtml index.html)
embed_asset(kPageCss page.css)
embed_asset(kPageJs page.js)
embed_asset(kOpenAiSchemas schemas_openai.json)
embed_asset(kRapportSchemas schemas_rapport.json)
file(WRITE "${ASSETS}" "#include \"rapport/server/assets.h\"

namespace rapport::server::assets {

${definitions}
}  // namespace rapport::server::assets
")
