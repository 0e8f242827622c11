// The tests' own variables are none of the program's, which refuses those it does not know.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace rapport::cli {

/// Takes every RAPPORT_ variable out of this process's environment. Before there are threads.
inline void clean_environment() {
  std::vector<std::string> ours;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("RAPPORT_")) ours.push_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : ours) unsetenv(name.c_str());
}

}  // namespace rapport::cli
