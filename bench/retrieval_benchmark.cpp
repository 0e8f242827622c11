// What a loaded model answers in: one recommendation at a time, and many together, on catalogues
// and histories of the sizes of MovieLens-1M and Amazon Beauty. The weights are drawn by lot: the
// time does not depend on them. And how fast the factor models are trained; the training of
// networks is timed beside its peers: bench/peers/training_speed.py.
//
//   retrieval_benchmark [--json]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "figures.h"
#include "rapport/base/random.h"
#include "rapport/retrieval/pairwise_sgd.h"
#include "rapport/retrieval/sasrec.h"

namespace rapport::retrieval {
namespace {

struct Size {
  const char* name;
  std::int64_t items, max_length, history;  // items that a long history has
  std::int64_t users, mean_history;
};
constexpr Size kSizes[] = {{"MovieLens-1M", 3'416, 200, 200, 6'040, 163},
                           {"Amazon Beauty", 12'101, 50, 50, 22'363, 7}};
constexpr std::int64_t kTop = 50;
constexpr int kSingles = 3'000;
constexpr int kBatched = 8'000;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Bench {
 public:
  explicit Bench(const Size& size) : size_(size), model_(make(size)), random_(2) {}

  void run(bench::Figures& figures) {
    const auto add = [&](const std::string& what, double value, const char* unit) {
      figures.add(fmt::format("sasrec, {}: {}", size_.name, what), value, unit);
    };
    std::vector<double> milliseconds;
    for (int i = 0; i < kSingles; ++i) {
      const auto history = random_history();
      const auto start = Clock::now();
      const auto best = top_items(model_, {.history = history}, kTop, history);
      milliseconds.push_back(1e3 * seconds_since(start));
      if (!best || best->size() != kTop) std::exit(1);
    }
    std::sort(milliseconds.begin(), milliseconds.end());
    add(fmt::format("top {} of a history of {}, p50", kTop, size_.history),
        milliseconds[kSingles / 2], "ms");
    add("the same, p99", milliseconds[kSingles * 99 / 100], "ms");
    add("batched, one thread", batched(1), "recommendations/s");
    const auto cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    add(fmt::format("batched, {} threads", cores), batched(cores), "recommendations/s");
  }

 private:
  static Sasrec make(const Size& size) {
    const SasrecShape shape{.items = size.items, .max_length = size.max_length};
    base::SplitMix64 random(1);
    std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
    for (float& weight : weights)
      weight = static_cast<float>(random.next() >> 40) * 0x1p-24f * 0.4f - 0.2f;
    return {shape, std::move(weights)};
  }

  std::vector<data::ItemIndex> random_history() {
    std::vector<data::ItemIndex> history(static_cast<std::size_t>(size_.history));
    for (auto& item : history)
      item = static_cast<data::ItemIndex>(random_.next() % static_cast<std::uint64_t>(size_.items));
    return history;
  }

  /// Recommendations a second when `threads` score blocks of 64 queries and take the best.
  double batched(int threads) {
    constexpr std::size_t kBlock = 64;
    std::vector<std::vector<data::ItemIndex>> histories;
    for (std::size_t i = 0; i < kBlock; ++i) histories.push_back(random_history());
    std::vector<Query> queries;
    for (const auto& history : histories) queries.push_back({.history = history});
    const auto blocks = static_cast<std::size_t>(kBatched / threads) / kBlock;
    const auto start = Clock::now();
    {
      std::vector<std::jthread> workers;
      for (int thread = 0; thread < threads; ++thread) {
        workers.emplace_back([&] {
          for (std::size_t block = 0; block < blocks; ++block) {
            const auto best = top_items(model_, queries, kTop);
            if (!best) std::exit(1);
          }
        });
      }
    }
    return static_cast<double>(blocks * kBlock) * threads / seconds_since(start);
  }

  Size size_;
  Sasrec model_;
  base::SplitMix64 random_;
};

/// Steps of stochastic gradient descent a second, on histories drawn by lot.
double pairwise_steps(const Size& size, bool transitions, std::size_t threads) {
  constexpr std::int64_t kDimension = 64;
  constexpr int kEpochs = 4;
  base::SplitMix64 random(3);
  const auto items = static_cast<std::size_t>(size.items);
  std::vector<std::vector<data::ItemIndex>> histories(static_cast<std::size_t>(size.users));
  std::vector<PairwiseExample> examples;
  for (std::size_t user = 0; user < histories.size(); ++user) {
    for (std::int64_t i = 0; i < size.mean_history; ++i) {
      // The smaller of two: some items are taken more often than others.
      const auto item =
          static_cast<data::ItemIndex>(std::min(random.next() % items, random.next() % items));
      examples.push_back({.user = static_cast<data::UserIndex>(user),
                          .item = item,
                          .previous = i > 0 ? histories[user].back() : item});
      histories[user].push_back(item);
    }
  }
  const auto drawn = [&](std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = static_cast<float>(random.next() >> 40) * 0x1p-28f;
    return values;
  };
  auto users = drawn(histories.size() * kDimension), rows = drawn(items * kDimension),
       previous = rows, next = rows, biases = drawn(items);
  const PairwiseFactors factors{.dimension = kDimension,
                                .user = users.data(),
                                .item = rows.data(),
                                .bias = biases.data(),
                                .previous = transitions ? previous.data() : nullptr,
                                .next = transitions ? next.data() : nullptr};
  const double steps = static_cast<double>(examples.size()) * kEpochs;
  PairwiseSgd sgd(
      std::move(examples),
      KnownItems(std::vector<std::span<const data::ItemIndex>>(histories.begin(), histories.end())),
      size.users, size.items, transitions);
  TrainingThreads pool(static_cast<std::int64_t>(threads));
  sgd.run_epoch(factors, {}, 0, pool);  // what is touched for the first time
  const auto start = Clock::now();
  for (int epoch = 1; epoch <= kEpochs; ++epoch)
    sgd.run_epoch(factors, {.popular_negatives = 0.5f}, static_cast<std::uint64_t>(epoch), pool);
  return steps / seconds_since(start);
}

void run_pairwise(const Size& size, bench::Figures& figures) {
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  for (const bool transitions : {false, true}) {
    for (const std::size_t threads : {std::size_t{1}, cores})
      figures.add(fmt::format("{}, {}: training, threads: {}", transitions ? "fpmc" : "bprmf",
                              size.name, threads),
                  pairwise_steps(size, transitions, threads) / 1e6, "million steps/s");
  }
}

int run(bool json) {
  bench::Figures figures;
  for (const Size& size : kSizes) Bench(size).run(figures);
  for (const Size& size : kSizes) run_pairwise(size, figures);
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport::retrieval

int main(int argc, char** argv) {
  return rapport::retrieval::run(argc > 1 && std::string(argv[1]) == "--json");
}
