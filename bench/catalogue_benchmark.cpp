// A catalogue of a million items: the exact best 50 and those of the index, with the time, recall
// and memory of both. The item vectors are a trained model's, drawn again and again with noise, so
// that they lie as trained ones do.
//
//   catalogue_benchmark [--json] [MODEL]     a directory of SASRec; else the one that
//                                            bench/quality.py leaves in build/quality
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "figures.h"
#include "rapport/base/safetensors.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/sasrec.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kItems = 1'000'000;
constexpr std::int64_t kTop = 50;
constexpr std::size_t kQueries = 400;
constexpr std::size_t kHistory = 8;
constexpr float kNoise = 0.3f;  // in standard deviations of the trained vectors

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The trained model's weights with kItems items in place of its own.
Sasrec enlarged(const std::filesystem::path& directory) {
  const Json description = bench::must(read_model_description(directory));
  SasrecShape shape = bench::must(SasrecShape::from_json(description["options"]));
  const SasrecShape trained = shape;
  const auto file = bench::must(base::Safetensors::open(directory / "weights.safetensors"));
  shape.items = kItems;
  const SasrecWeights layout = sasrec_weights(shape);
  std::vector<float> weights(static_cast<std::size_t>(layout.total));
  const auto d = static_cast<std::size_t>(shape.dimension);
  for (const WeightPlace& place : layout.places) {
    float* const to = weights.data() + place.offset;
    if (place.offset != layout.item_embedding) {
      const auto values = bench::must(read_weights(file, place.name, place.shape));
      std::ranges::copy(values, to);
      continue;
    }
    const auto rows =
        bench::must(read_weights(file, place.name, {trained.items, trained.dimension}));
    double squares = 0;
    for (const float value : rows) squares += static_cast<double>(value) * value;
    std::mt19937 random(1);
    std::normal_distribution<float> noise(
        0, kNoise * static_cast<float>(std::sqrt(squares / static_cast<double>(rows.size()))));
    for (std::size_t item = 0; item < static_cast<std::size_t>(kItems); ++item) {
      const std::size_t row = random() % static_cast<std::size_t>(trained.items);
      for (std::size_t k = 0; k < d; ++k) to[item * d + k] = rows[row * d + k] + noise(random);
    }
  }
  return {shape, std::move(weights)};
}

using Lists = std::vector<std::vector<ScoredItem>>;

Lists time_queries(const Retriever& model,
                   const std::vector<std::vector<data::ItemIndex>>& histories, const char* name,
                   bench::Figures& figures) {
  Lists lists;
  std::vector<double> milliseconds;
  for (const auto& history : histories) {
    const auto start = Clock::now();
    lists.push_back(bench::must(top_items(model, {.history = history}, kTop, history)));
    milliseconds.push_back(1e3 * seconds_since(start));
  }
  std::ranges::sort(milliseconds);
  figures.add(fmt::format("{}: top {} of {} items, p50", name, kTop, kItems),
              milliseconds[milliseconds.size() / 2], "ms");
  figures.add(fmt::format("{}: p99", name), milliseconds[milliseconds.size() * 99 / 100], "ms");
  return lists;
}

int run(const std::filesystem::path& directory, bool json) {
  Sasrec model = enlarged(directory);
  std::mt19937 random(2);
  std::vector<std::vector<data::ItemIndex>> histories(kQueries);
  for (auto& history : histories) {
    for (std::size_t i = 0; i < kHistory; ++i)
      history.push_back(
          static_cast<data::ItemIndex>(random() % static_cast<std::uint32_t>(kItems)));
  }
  bench::Figures figures;
  const Lists exact = time_queries(model, histories, "exact", figures);
  const auto start = Clock::now();
  bench::must(model.index_items());
  figures.add("index: to build", seconds_since(start), "s");
  const Lists found = time_queries(model, histories, "index", figures);
  std::int64_t hits = 0, all = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (const ScoredItem& item : exact[q]) {
      ++all;
      hits += std::ranges::count(found[q], item.item, &ScoredItem::item) > 0;
    }
  }
  figures.add("index: recall of the exact list",
              static_cast<double>(hits) / static_cast<double>(all), "");
  figures.add("index: memory", static_cast<double>(model.index_bytes()) / 1048576, "MiB");
  figures.add("item vectors, one copy",
              4.0 * kItems * static_cast<double>(model.dimension()) / 1048576, "MiB");
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport::retrieval

int main(int argc, char** argv) {
  bool json = false;
  std::filesystem::path directory = RAPPORT_BENCH_QUALITY "/sasrec-beauty-seed1";
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json")
      json = true;
    else
      directory = argv[i];
  }
  if (!std::filesystem::exists(directory)) {
    fmt::print(stderr,
               "{} is not there: bench/quality.py ../shared/data --row sasrec --data beauty "
               "--again trains it\n",
               directory.string());
    if (json) fmt::print("{{\"figures\": []}}\n");  // the other benchmarks go on
    return json ? 0 : 1;
  }
  return rapport::retrieval::run(directory, json);
}
