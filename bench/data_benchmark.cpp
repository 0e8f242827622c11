// How long preparing and opening data sets takes: MovieLens-1M and Amazon Beauty from the folder
// that RAPPORT_SHARED_DATA names, with every step's share. Each figure is the best of five.
//
//   RAPPORT_SHARED_DATA=../shared/data build/release/bench/data_benchmark [--json]
//
// Without that folder there are no figures, and a line on stderr says so.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>

#include "figures.h"
#include "rapport/data/dataset_statistics.h"
#include "rapport/data/prepare.h"
#include "rapport/data/sample.h"

namespace rapport::data {
namespace {

namespace fs = std::filesystem;

constexpr int kRuns = 5;

using bench::must;

/// Milliseconds, the best of all runs.
template <typename Work>
double best_of(Work work) {
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
                  .count());
  }
  return best;
}

void measure(const std::string& title, Format format, const SourcePaths& paths,
             const fs::path& folder, bench::Figures& figures) {
  const fs::path directory = folder / "dataset";
  double read = 0, build = 0, save = 0;
  const double whole = best_of([&] {
    const auto begin = std::chrono::steady_clock::now();
    const Source source = must(read_source(format, paths, {}));
    const auto after_read = std::chrono::steady_clock::now();
    const Preparation prepared = must(prepare(source, {.name = title}));
    const auto after_build = std::chrono::steady_clock::now();
    must(prepared.dataset.save(directory));
    const auto end = std::chrono::steady_clock::now();
    read = std::chrono::duration<double, std::milli>(after_read - begin).count();
    build = std::chrono::duration<double, std::milli>(after_build - after_read).count();
    save = std::chrono::duration<double, std::milli>(end - after_build).count();
  });
  const double open = best_of([&] { must(Dataset::open(directory)); });
  const Dataset dataset = must(Dataset::open(directory));
  const double describe = best_of([&] { statistics(dataset); });
  const double draw = best_of([&] {
    base::SeededRandom random(1);
    must(sample(dataset, {.strata = {GroupBy::kActivity}}, random));
  });
  figures.add(title + ": prepare and save", whole, "ms");
  figures.add(title + ", last run: read", read, "ms");
  figures.add(title + ", last run: build", build, "ms");
  figures.add(title + ", last run: save", save, "ms");
  figures.add(title + ": open", open, "ms");
  figures.add(title + ": statistics", describe, "ms");
  figures.add(title + ": sample of 20 %", draw, "ms");
}

}  // namespace
}  // namespace rapport::data

int main(int argc, char** argv) {
  using namespace rapport::data;
  const bool json = argc > 1 && std::string(argv[1]) == "--json";
  rapport::bench::Figures figures;
  const char* shared = std::getenv("RAPPORT_SHARED_DATA");
  if (shared == nullptr || !fs::exists(fs::path(shared) / "ml-1m")) {
    fmt::print(stderr,
               "skipped: RAPPORT_SHARED_DATA names no folder with ml-1m and amazon-beauty\n");
    figures.print(json);
    return 0;
  }
  const fs::path movies = fs::path(shared) / "ml-1m";
  const fs::path beauty = fs::path(shared) / "amazon-beauty";
  std::string pattern = (fs::temp_directory_path() / "rapport-bench-XXXXXX").string();
  const fs::path folder = mkdtemp(pattern.data());
  measure("ml-1m sequences", Format::kSequences,
          {.interactions = movies / "sequences.txt.gz",
           .items = movies / "items.tsv",
           .users = movies / "users.dat",
           .user_map = movies / "users_map.txt"},
          folder, figures);
  measure("ml-1m raw ratings", Format::kMovieLens,
          {.interactions = movies / "ratings_no_timestamp.dat.gz",
           .items = movies / "movies.dat",
           .users = movies / "users.dat"},
          folder, figures);
  measure("beauty sequences", Format::kSequences,
          {.interactions = beauty / "sequences.txt.gz", .items = beauty / "items.tsv.gz"}, folder,
          figures);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  figures.add("peak memory of all", static_cast<double>(usage.ru_maxrss) / 1024, "MiB");
  fs::remove_all(folder);
  figures.print(json);
}
