#include "rapport/cli/model_pull.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <vector>

#include "rapport/base/config.h"

namespace rapport::cli {
namespace {

namespace fs = std::filesystem;

/// Runs a script without standard input; what it prints, when it ends well. Errors: kUnavailable.
Result<std::string> run_script(const fs::path& script, std::vector<std::string> words) {
  words.insert(words.begin(), script.string());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("cannot run {}: {}", script.string(), std::strerror(errno)));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
  pid_t child = -1;
  const int refused =
      posix_spawn(&child, script.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);

  std::string printed;
  std::array<char, 4096> piece;
  for (ssize_t size; (size = ::read(pipe[0], piece.data(), piece.size())) != 0;) {
    if (size > 0) {
      printed.append(piece.data(), static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      break;
    }
  }
  ::close(pipe[0]);
  if (refused != 0) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("cannot run {}: {}", script.string(), std::strerror(refused)));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return printed;
  return fail(ErrorCode::kUnavailable,
              fmt::format("`{}` failed: what it said above is what to mend, then run this again",
                          fmt::join(words, " ")));
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) found.push_back(line);
  return found;
}

}  // namespace

Result<fs::path> source_tree(const fs::path& program) {
  for (fs::path folder = program.parent_path(); folder.has_relative_path();
       folder = folder.parent_path()) {
    std::error_code error;
    if (fs::exists(folder / "scripts" / "setup", error) &&
        fs::exists(folder / "src" / "rapport", error)) {
      return folder;
    }
  }
  return fail(ErrorCode::kUnsupported,
              fmt::format("{} does not lie in the source tree that it was built from, whose "
                          "scripts/setup fetches models: run the program there, or bring a GGUF "
                          "file with `rapport models import PATH`",
                          program.string()));
}

Result<language::ModelFile> pull_model(const fs::path& source, const std::string& name) {
  TRY(const std::string known, run_script(source / "scripts" / "setup", {"--models"}));
  const std::vector<std::string> names = lines(known);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    const std::string nearest = base::nearest(name, names);
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no model \"{}\" to pull{}; there is {}", name,
                            nearest.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", nearest),
                            fmt::join(names, ", ")),
                "NAME");
  }
  TRY_VOID(run_script(source / "scripts" / "setup", {"--model", name}));
  TRY(const std::string made, run_script(source / "scripts" / "models", {name}));
  const std::vector<std::string> paths = lines(made);
  if (paths.empty()) {
    return fail(ErrorCode::kInternal,
                fmt::format("scripts/models did not say where it put {}", name));
  }
  return language::read_model_file(paths.back());
}

}  // namespace rapport::cli
