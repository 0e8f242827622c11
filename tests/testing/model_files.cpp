#include "model_files.h"

#include <cstdlib>
#include <filesystem>

namespace rapport::testing {

std::string model_file(const std::string& name) {
  const char* const folder = std::getenv("RAPPORT_TEST_MODELS");
  return std::filesystem::path(folder != nullptr ? folder : "build/deps/models") / name;
}

std::string smollm2_path() {
  return model_file("smollm2-135m-instruct-q8_0.gguf");
}

}  // namespace rapport::testing
