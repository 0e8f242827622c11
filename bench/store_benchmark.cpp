// How long a request waits for the store: recording an exchange, and what identifying and placing a
// request reads. Percentiles in microseconds; `--benchmark_filter=…` picks some.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <vector>

#include "rapport/store/home_store.h"

namespace rapport::store {
namespace {

/// A store in a folder of its own, on the disk that $TMPDIR names.
class BenchStore {
 public:
  explicit BenchStore(const std::string& synchronous) {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "rapport-bench-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto opened = HomeStore::open(folder_, {.synchronous = synchronous}, clock_, random_);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().message.c_str());
      std::exit(1);
    }
    home_.emplace(*std::move(opened));
  }
  ~BenchStore() {
    home_.reset();
    std::filesystem::remove_all(folder_);
  }
  BenchStore(const BenchStore&) = delete;
  BenchStore& operator=(const BenchStore&) = delete;

  Store& operator*() { return *home_->store; }
  Store* operator->() { return home_->store.get(); }

 private:
  base::SystemClock clock_;
  base::SystemRandom random_;
  std::filesystem::path folder_;
  std::optional<HomeStore> home_;
};

/// Exchange `n` of one of 100 users, of the size that a chat leaves: a question, an answer of 1 kB,
/// a trace of 2 kB, one job.
Exchange exchange(std::int64_t n) {
  const UserId user = fmt::format("u_{:026}", n % 100);
  const std::string conversation = fmt::format("conv_{:026}", n % 1000);
  const std::string response = fmt::format("chatcmpl-{:026}", n);
  Exchange made;
  made.conversation = {.id = conversation, .user = user};
  made.turns = {{.id = fmt::format("turn_{:025}q", n),
                 .conversation = conversation,
                 .user = user,
                 .index = n / 1000 * 2,
                 .role = "user",
                 .content = std::string(120, 'q')},
                {.id = fmt::format("turn_{:025}a", n),
                 .conversation = conversation,
                 .user = user,
                 .index = n / 1000 * 2 + 1,
                 .role = "assistant",
                 .content = std::string(1'000, 'a'),
                 .response_id = response}};
  made.prefix_hashes = {fmt::format("{:064}", n)};
  made.exposure = {.response_id = response, .user = user, .policy = "none"};
  made.trace = {.response_id = response,
                .user = user,
                .conversation = conversation,
                .data = {{"prompt", std::string(2'000, 't')}}};
  made.jobs = {{.id = fmt::format("job_{:026}", n), .kind = "observe", .user = user}};
  return made;
}

void fill(Store& store, std::int64_t exchanges) {
  for (std::int64_t user = 0; user < 100; ++user) {
    (void)store.ensure_user(fmt::format("u_{:026}", user), "default", fmt::format("user {}", user));
  }
  for (std::int64_t n = 0; n < exchanges; ++n) (void)store.record_exchange(exchange(n));
}

/// Times `work(n)` one by one, so that the slowest calls are seen and not averaged away.
template <typename Work>
void measure(benchmark::State& state, std::int64_t first, Work work) {
  std::vector<double> microseconds;
  std::int64_t n = first;
  for (auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    const bool done = work(n++);
    const std::chrono::duration<double, std::micro> taken =
        std::chrono::steady_clock::now() - start;
    if (!done) return state.SkipWithError("the store refused");
    state.SetIterationTime(taken.count() / 1e6);
    microseconds.push_back(taken.count());
  }
  std::sort(microseconds.begin(), microseconds.end());
  const auto percentile = [&](double share) {
    return microseconds[static_cast<std::size_t>(share *
                                                 static_cast<double>(microseconds.size() - 1))];
  };
  state.counters["p50_us"] = percentile(0.5);
  state.counters["p99_us"] = percentile(0.99);
  state.counters["max_us"] = microseconds.back();
}

void record_exchange(benchmark::State& state, const std::string& synchronous) {
  BenchStore store(synchronous);
  constexpr std::int64_t kBefore = 2'000;
  fill(*store, kBefore);
  measure(state, kBefore,
          [&](std::int64_t n) { return store->record_exchange(exchange(n)).has_value(); });
}
BENCHMARK_CAPTURE(record_exchange, normal, "normal")->UseManualTime()->Iterations(10'000);
BENCHMARK_CAPTURE(record_exchange, full, "full")->UseManualTime()->Iterations(1'000);

void identify_and_place(benchmark::State& state) {
  BenchStore store("normal");
  constexpr std::int64_t kExchanges = 10'000;
  fill(*store, kExchanges);
  measure(state, 0, [&](std::int64_t n) {
    const UserId user = fmt::format("u_{:026}", n % 100);
    return store->ensure_user(user, "default", "").has_value() &&
           store->settings(user).has_value() && store->facts(user, false).has_value() &&
           store->conversation_by_prefix(user, {fmt::format("{:064}", n % kExchanges)})
               .value_or(std::nullopt)
               .has_value();
  });
}
BENCHMARK(identify_and_place)->UseManualTime()->Iterations(20'000);

}  // namespace
}  // namespace rapport::store

BENCHMARK_MAIN();
