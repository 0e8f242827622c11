// Runs a command as main.cpp does, but without the RAPPORT_ variables of the environment, and keeps
// what it printed.
#pragma once

#include <string>
#include <vector>

#include "rapport/cli/command_line.h"

namespace rapport::cli {

struct Ran {
  int status = 0;
  std::string out;
  std::string err;
};

/// `words` without the program's name; `typed` is its standard input.
Ran run_command(const std::vector<void (*)(CommandLine&)>& commands, std::vector<std::string> words,
                const std::string& typed = "");

/// The same with --json: its document. A failure of the test when it fails.
Json run_for_json(const std::vector<void (*)(CommandLine&)>& commands,
                  std::vector<std::string> words);

}  // namespace rapport::cli
