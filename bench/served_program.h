// `rapport serve` as a user runs it, in a process and a home of its own, in front of an upstream.
//
//   const ServedProgram program(upstream.port());
//   … "http://127.0.0.1:{program.port()}/v1" …
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "http_load.h"
#include "http_wire.h"
#include "rapport/base/http_client.h"
#include "rapport/base/json.h"

namespace rapport::bench {

namespace fs = std::filesystem;

/// kUsers users, each with settings and four facts.
class ServedProgram {
 public:
  explicit ServedProgram(std::uint16_t upstream) {
    std::string pattern = (fs::temp_directory_path() / "rapport-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) give_up("no temporary folder");
    home_ = pattern;
    const fs::path program =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "rapport";
    if (!fs::exists(program)) give_up(program.string() + " is not built: run make bench");
    std::array<int, 2> pipe{};
    must(::pipe2(pipe.data(), O_CLOEXEC), "pipe2");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    // Its log is written as it would be in service, one line a request.
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (home_ / "log").c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    std::vector<std::string> words = {program.string(), "--home", (home_ / "home").string(),
                                      "--json",         "serve",  "--listen",
                                      "127.0.0.1:0"};
    for (const std::string& setting :
         {std::string("language.backend=remote"), std::string("language.embedding.enabled=false"),
          std::string("language.remote.model=mock"),
          fmt::format("language.remote.base_url=http://127.0.0.1:{}/v1", upstream)}) {
      words.emplace_back("--set");
      words.push_back(setting);
    }
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments.data(), environ) != 0)
      give_up("cannot start " + program.string());
    posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    std::string ready;
    std::array<char, 4096> piece;
    ssize_t size;
    while (!Json::accept(ready) && (size = ::read(pipe[0], piece.data(), piece.size())) > 0)
      ready.append(piece.data(), static_cast<std::size_t>(size));
    ::close(pipe[0]);
    if (!Json::accept(ready)) {
      std::ifstream log(home_ / "log");
      give_up("the program did not start: " + std::string(std::istreambuf_iterator<char>(log), {}));
    }
    url_ = Json::parse(ready)["url"].get<std::string>();
    port_ = static_cast<std::uint16_t>(std::stoi(url_.substr(url_.rfind(':') + 1)));
    know_users();
  }
  ~ServedProgram() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    fs::remove_all(home_, ignored);
  }
  ServedProgram(const ServedProgram&) = delete;
  ServedProgram& operator=(const ServedProgram&) = delete;

  std::uint16_t port() const { return port_; }

  /// Processor time so far, in milliseconds.
  double used_milliseconds() const {
    std::ifstream file(fmt::format("/proc/{}/stat", pid_));
    std::string text(std::istreambuf_iterator<char>(file), {});
    // The second word, the program's name, may hold blanks; after it utime and stime are 12th and
    // 13th.
    std::istringstream rest(text.substr(text.rfind(')') + 1));
    std::string word;
    double ticks = 0;
    for (int i = 1; rest >> word && i <= 13; ++i)
      if (i >= 12) ticks += std::stod(word);
    return 1e3 * ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }

 private:
  void know_users() {
    base::HttpClient client;
    const auto put = [&](const std::string& method, const std::string& path, const Json& body) {
      const auto answer = base::fetch(client, {.method = method,
                                               .url = url_ + path,
                                               .headers = {{"content-type", "application/json"}},
                                               .body = body.dump()});
      if (!answer) give_up(answer.error().message);
      if (answer->head.status >= 300) give_up(path + ": " + answer->body);
    };
    for (std::size_t user = 0; user < kUsers; ++user) {
      const std::string path = fmt::format("/v1/users/user%20{}", user);
      put("PATCH", path + "/settings", {{"name", "Sam"}, {"length", "brief"}});
      for (const char* fact :
           {"I'm vegetarian", "I live in Oslo", "I hate olives", "I have two kids"}) {
        put("POST", path + "/facts", {{"text", fact}});
      }
    }
  }

  fs::path home_;
  pid_t pid_ = -1;
  std::string url_;
  std::uint16_t port_ = 0;
};

}  // namespace rapport::bench
