// What Rapport adds to a request to a remote model: the program itself between a load tool and an
// upstream, both here, against the load tool calling that upstream directly, in one run.
//
//   http_benchmark [--json] [SECONDS]        SECONDS a measurement, 3 by default; there are 12
//
// The load is open: request i is due at i / rate whether or not the ones before it were answered,
// and its latency counts from when it was due, so that a server that stalls pays for all who wait.
// 100 users talk in conversations of five turns, each resent in full as chat clients do; each user
// has settings and facts. Everything shares the machine's cores, on loopback.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include "figures.h"
#include "http_load.h"
#include "http_upstream.h"
#include "served_program.h"

namespace rapport::bench {
namespace {

constexpr std::array<double, 2> kRates = {500, 2'000};
constexpr std::array<std::chrono::milliseconds, 2> kDelays = {std::chrono::milliseconds{0},
                                                              std::chrono::milliseconds{20}};

struct Way {
  const char* name;
  bool direct;
  std::string degree;  // "" is the default, 3
};

Measured measure(const Way& way, const Upstream& upstream, const ServedProgram& program,
                 double rate, double seconds, int run) {
  const std::uint16_t port = way.direct ? upstream.port() : program.port();
  const Requests requests(port, run, way.degree);
  // The first requests open connections and fill caches.
  Load(port, rate, static_cast<std::size_t>(rate / 4)).run(Requests(port, -run, way.degree));
  const double before = program.used_milliseconds();
  const auto count = static_cast<std::size_t>(rate * seconds);
  Measured measured = Load(port, rate, count).run(requests);
  measured.server_milliseconds =
      (program.used_milliseconds() - before) / static_cast<double>(count);
  return measured;
}

void compare(Figures& figures, std::chrono::milliseconds delay, double rate, double seconds,
             const Upstream& upstream, const ServedProgram& program, int& run) {
  const std::string where = fmt::format(
      "{}, {:.0f} requests/s",
      delay.count() == 0 ? "instant upstream" : fmt::format("upstream of {} ms", delay.count()),
      rate);
  const Measured direct = measure({"direct", true, ""}, upstream, program, rate, seconds, ++run);
  figures.add(where + ": direct, p50", direct.percentile(0.5), "ms");
  figures.add(where + ": direct, p99", direct.percentile(0.99), "ms");
  for (const Way& way : {Way{"degree 0", false, "0"}, Way{"degree 3", false, ""}}) {
    const Measured through = measure(way, upstream, program, rate, seconds, ++run);
    const std::string what = where + ": " + way.name;
    figures.add(what + " adds, p50", through.percentile(0.5) - direct.percentile(0.5), "ms");
    figures.add(what + " adds, p99", through.percentile(0.99) - direct.percentile(0.99), "ms");
    figures.add(what + ", answered", through.per_second, "requests/s");
    figures.add(what + ", not answered", static_cast<double>(through.failed), "requests");
    figures.add(what + ", the program's processor time", through.server_milliseconds,
                "ms a request");
  }
}

void allow_many_files() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

int run(bool json, double seconds) {
  allow_many_files();
  Figures figures;
  int number = 0;
  for (const auto delay : kDelays) {
    const Upstream upstream(delay);
    const ServedProgram program(upstream.port());
    for (const double rate : kRates)
      compare(figures, delay, rate, seconds, upstream, program, number);
  }
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport::bench

int main(int argc, char** argv) {
  bool json = false;
  double seconds = 3;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json") {
      json = true;
    } else {
      seconds = std::max(0.1, std::atof(argv[i]));
    }
  }
  return rapport::bench::run(json, seconds);
}
