// The files of page/, built into the program (cmake/embed_files.cmake).
#pragma once

#include <string_view>

namespace rapport::server::assets {

extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageJs;
/// JSON schemas of every request and response body: OpenAI's, and Rapport's own.
extern const std::string_view kOpenAiSchemas;
extern const std::string_view kRapportSchemas;

}  // namespace rapport::server::assets
