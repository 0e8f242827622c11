// The files of prompts/, built into the program (cmake/embed_files.cmake).
#pragma once

#include <string_view>

namespace rapport::palr::prompts {

extern const std::string_view kProfile;
extern const std::string_view kRecommend;
extern const std::string_view kRecommendRetrieval;

}  // namespace rapport::palr::prompts
