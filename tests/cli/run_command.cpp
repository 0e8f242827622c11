#include "run_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace rapport::cli {
namespace {

// The tests' own variables are none of the program's, which refuses those it does not know.
void clean_environment() {
  std::vector<std::string> ours;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (text.starts_with("RAPPORT_")) ours.push_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : ours) unsetenv(name.c_str());
}

}  // namespace

Ran run_command(const std::vector<void (*)(CommandLine&)>& commands, std::vector<std::string> words,
                const std::string& typed) {
  clean_environment();
  words.insert(words.begin(), "rapport");
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  std::istringstream in(typed);
  std::ostringstream out, err;
  Context context{in, out, err, {}, {}, false, false, {}, {}, {}, 0, 1};
  CommandLine line;
  for (const auto add : commands) add(line);
  Ran ran;
  ran.status = line.main(static_cast<int>(arguments.size()), arguments.data(), context);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

Json run_for_json(const std::vector<void (*)(CommandLine&)>& commands,
                  std::vector<std::string> words) {
  words.emplace_back("--json");
  const Ran ran = run_command(commands, std::move(words));
  EXPECT_EQ(ran.status, 0) << ran.err;
  return Json::parse(ran.out, nullptr, false);
}

}  // namespace rapport::cli
