// What ranking and error bars cost, beside the scoring that a model does: on data of the shape of
// Amazon Beauty (22,363 users, 12,101 items), made up here.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "rapport/base/random.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/evaluation/top_k.h"
#include "rapport/statistics/bootstrap.h"

namespace rapport::evaluation {
namespace {

constexpr std::int64_t kUsers = 22'363;
constexpr std::int64_t kItems = 12'101;
constexpr std::int64_t kHistory = 9;

data::Dataset shape_of_beauty() {
  base::SplitMix64 random(1);
  data::DatasetParts parts;
  parts.name = "made up";
  parts.offsets = {0};
  std::vector<data::Item> items(kItems);
  for (std::size_t item = 0; item < items.size(); ++item) items[item].id = fmt::format("{}", item);
  std::vector<data::Person> people(kUsers);
  for (std::size_t user = 0; user < people.size(); ++user) {
    people[user].id = fmt::format("{}", user);
    for (std::int64_t i = 0; i < kHistory; ++i)
      parts.sequence.push_back(static_cast<data::ItemIndex>(random.next() % kItems));
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.people = data::People::create(std::move(people)).value();
  return data::Dataset::create(std::move(parts)).value();
}

std::vector<float> random_scores() {
  base::SplitMix64 random(2);
  std::vector<float> scores(kItems);
  for (float& score : scores) score = static_cast<float>(random.next() >> 40);
  return scores;
}

// The scorer copies one row, the least that any scorer has to write.
void rank_all_users(benchmark::State& state) {
  const data::Dataset dataset = shape_of_beauty();
  const std::vector<float> row = random_scores();
  const Scorer scorer = [&](std::span<const Query> queries, std::span<float> out) -> Result<void> {
    for (std::size_t i = 0; i < queries.size(); ++i)
      std::ranges::copy(row, out.begin() + static_cast<std::ptrdiff_t>(i * row.size()));
    return {};
  };
  for (auto _ : state) {
    const auto ranking = rank_held_out(dataset, scorer, {.threads = state.range(0)});
    if (!ranking) return state.SkipWithError(ranking.error().message.c_str());
    benchmark::DoNotOptimize(ranking->users.data());
  }
  state.SetItemsProcessed(state.iterations() * kUsers);
}
BENCHMARK(rank_all_users)
    ->ArgName("threads")
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void choose_top_k(benchmark::State& state) {
  const std::vector<float> scores = random_scores();
  std::vector<data::ItemIndex> best;
  for (auto _ : state) {
    top_k(scores, state.range(0), best);
    benchmark::DoNotOptimize(best.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(choose_top_k)->ArgName("k")->Arg(10)->Arg(50)->Arg(500);

void bootstrap_nine_metrics(benchmark::State& state) {
  base::SplitMix64 random(3);
  std::vector<std::vector<double>> columns(
      9, std::vector<double>(static_cast<std::size_t>(state.range(0))));
  for (std::vector<double>& column : columns) {
    for (double& value : column) value = static_cast<double>(random.next() >> 11) * 0x1p-53;
  }
  for (auto _ : state) benchmark::DoNotOptimize(statistics::bootstrap_means(columns));
}
BENCHMARK(bootstrap_nine_metrics)
    ->ArgName("users")
    ->Arg(6'040)
    ->Arg(kUsers)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace rapport::evaluation
