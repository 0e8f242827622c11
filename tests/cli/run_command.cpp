#include "run_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace rapport::cli {
namespace {

/// The tests' own variables are none of the program's, which refuses those it does not know: they
/// are away while a command runs.
class CleanEnvironment {
 public:
  CleanEnvironment() {
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string text = *entry;
      const std::size_t equals = text.find('=');
      if (!text.starts_with("RAPPORT_") || equals == std::string::npos) continue;
      ours_.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    for (const auto& [name, value] : ours_) unsetenv(name.c_str());
  }
  ~CleanEnvironment() {
    for (const auto& [name, value] : ours_) setenv(name.c_str(), value.c_str(), 1);
  }
  CleanEnvironment(const CleanEnvironment&) = delete;
  CleanEnvironment& operator=(const CleanEnvironment&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> ours_;
};

}  // namespace

Ran run_command(const std::vector<void (*)(CommandLine&)>& commands, std::vector<std::string> words,
                const std::string& typed) {
  const CleanEnvironment clean;
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
