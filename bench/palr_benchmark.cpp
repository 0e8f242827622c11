// How long a language model takes to rank one user's candidates: asked in words, for letters or for
// titles, and reading items in place of words.
//
//   palr_benchmark [--json]
//
// The demo's films (MovieLens-100K) and SmolLM2-135M with the options' defaults: 50 candidates,
// letters in two orders. Adapters and matrices of an E4SRec are hardly trained, which takes the
// same time as trained ones.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "figures.h"
#include "rapport/base/files.h"
#include "rapport/data/prepare.h"
#include "rapport/data/source.h"
#include "rapport/language/embedded_model.h"
#include "rapport/palr/language_scores.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/registry.h"

namespace rapport {
namespace {

using bench::must;

constexpr const char* kLanguageModel = RAPPORT_BENCH_MODELS "/smollm2-135m-instruct-q8_0.gguf";
constexpr const char* kFilms = RAPPORT_BENCH_MODELS "/../ml-100k/ml-100k.inter";
constexpr std::int64_t kUsers = 30;
/// Of them, those whose time is not counted: titles are asked about without a history once each.
constexpr std::size_t kWarming = 15;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

palr::Lot some_users(const data::Dataset& dataset) {
  palr::Lot lot;
  for (std::int64_t i = 0; i < kUsers; ++i) {
    lot.users.push_back(static_cast<data::UserIndex>(i * dataset.users() / kUsers));
    lot.weights.push_back(1);
  }
  return lot;
}

/// Seconds of the later users, by `ask`.
double asked_in_words(const data::Dataset& dataset, std::span<const palr::CandidateSource> sources,
                      const std::string& ask, language::EmbeddedModel& model,
                      const std::filesystem::path& scratch) {
  const base::SystemClock clock;
  palr::LanguageScoreOptions options;
  options.ask = ask;
  std::vector<double> seconds;
  auto before = clock.steady();
  must(palr::score_users(dataset, sources, data::Split::kTest, some_users(dataset), model, {},
                         options, scratch / (ask + ".jsonl"),
                         {.clock = clock, .on_progress = [&](std::int64_t) {
                            const auto now = clock.steady();
                            seconds.push_back(std::chrono::duration<double>(now - before).count());
                            before = now;
                          }}));
  seconds.erase(seconds.begin(), seconds.begin() + kWarming);
  return median(std::move(seconds));
}

/// Seconds, by an E4SRec of so many layers that reads the vectors of the model in `vectors`.
double read_as_items(const data::Dataset& dataset, const std::filesystem::path& vectors,
                     std::int64_t first_layers) {
  const base::SystemClock clock;
  const auto fit = must(retrieval::fit_retriever("e4srec", dataset,
                                                 {{"items", vectors.string()},
                                                  {"language_model", kLanguageModel},
                                                  {"fraction", "0.02"},
                                                  {"first_layers", std::to_string(first_layers)}},
                                                 {.clock = clock}));
  std::vector<float> scores(static_cast<std::size_t>(dataset.items()));
  std::vector<double> seconds;
  for (const data::UserIndex user : some_users(dataset).users) {
    const retrieval::Query query{.user = user, .history = dataset.history(user)};
    const auto began = clock.steady();
    must(fit.model->score({&query, 1}, scores));
    seconds.push_back(std::chrono::duration<double>(clock.steady() - began).count());
  }
  return median(std::move(seconds));
}

int run(bool json) {
  const base::SystemClock clock;
  const auto scratch = must(base::ScratchDirectory::create());
  const data::Source source =
      must(data::read_source(data::Format::kRecBole, {.interactions = kFilms}, {}));
  const data::Dataset dataset = must(data::prepare(source, {.name = "ml-100k"})).dataset;
  const auto fit =
      must(retrieval::fit_retriever("sasrec", dataset, {{"epochs", "1"}}, {.clock = clock}));
  must(retrieval::save_model(fit, dataset, scratch.path() / "sasrec"));
  const auto sources = must(palr::load_sources({(scratch.path() / "sasrec").string()}, dataset));

  bench::Figures figures;
  {
    language::EmbeddedOptions options;
    options.path = kLanguageModel;
    options.context_tokens = palr::QuestionOptions{}.tokens + 512;
    const auto model = must(language::EmbeddedModel::load(options));
    for (const char* const ask : {"letters", "titles"})
      figures.add(fmt::format("50 candidates by {}: median (bar: at most 1.5)", ask),
                  asked_in_words(dataset, sources, ask, *model, scratch.path()), "s");
  }
  for (const std::int64_t layers : {0, 8})
    figures.add(
        fmt::format("the whole catalogue by items read, {} layers: median (bar: at most 0.3)",
                    layers == 0 ? "all" : std::to_string(layers)),
        read_as_items(dataset, scratch.path() / "sasrec", layers), "s");
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  const bool json = argc > 1 && std::string(argv[1]) == "--json";
  if (!std::filesystem::exists(rapport::kFilms)) {
    fmt::print(
        stderr,
        "palr_benchmark: no figures without MovieLens-100K: scripts/setup --demo fetches it\n");
    rapport::bench::Figures().print(json);
    return 0;
  }
  return rapport::run(json);
}
