// Every model by name: how it is fitted, with which options, and how it is read back.
//
//   FitContext context{.clock = clock, .seed = 1};
//   TRY(const Fit fit, fit_retriever("sasrec", dataset, {{"epochs", "50"}}, context));
//   TRY_VOID(save_model(fit, dataset, directory));                  // model_directory.h
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/config.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

/// One step of a fit, as it goes.
struct FitProgress {
  double done = 0;                        // [0, 1] of the longest it may take
  std::int64_t epoch = 0, epochs = 0;     // from 1
  std::string_view unit = "epoch";        // what those count, where it is something else
  double loss = 0;                        // mean of the epoch
  std::optional<double> validation_ndcg;  // NDCG@10, where this epoch was evaluated
  double seconds = 0;                     // of the epoch, validation included
  /// A fit in closed form has stages where others have epochs: `epoch` of `epochs` is this one,
  /// `stage_done` [0, 1] of it. Empty for the others.
  std::string_view stage = {};
  double stage_done = 0;
};

/// The surroundings of a fit, apart from what is fitted.
struct FitContext {
  const base::Clock& clock;
  std::int64_t seed = 1;
  std::int64_t threads = 0;  // 0: one a core; does not change the result
  /// Where a long fit keeps its state, so that one that was stopped can go on; "" keeps none.
  std::filesystem::path checkpoint = {};
  bool resume = false;  // from `checkpoint`, when there is one
  std::function<void(const FitProgress&)> on_progress = {};
  std::stop_token stop_token = {};  // ends at the next checkpoint with kCancelled
};

/// A fitted model with what is worth keeping of how it came about.
struct Fit {
  std::unique_ptr<Retriever> model;
  std::int64_t seed = 1;
  Json options = Json::object();  // training options in effect
  Json report = Json::object();   // {"seconds", "validation"} and what the course of it was
};

/// KEY and VALUE of `--set KEY=VALUE`.
using Assignments = std::vector<std::pair<std::string, std::string>>;

struct RetrieverKind {
  std::string_view name;
  std::string_view summary;  // one sentence
  std::string_view source;   // paper
  bool needs_libtorch = false;
  /// Of one that is made of trained models: the option that names their directories, and how many
  /// there must be.
  std::string_view made_of = {};
  std::int64_t fewest_parts = 0;
  /// Options with default and meaning.
  Json (*options)() = nullptr;
  Result<Fit> (*fit)(std::string_view name, const data::Dataset& dataset,
                     const Assignments& assignments, const FitContext& context) = nullptr;
  Result<std::unique_ptr<Retriever>> (*load)(const Json& options,
                                             const base::Safetensors& file) = nullptr;
};

std::span<const RetrieverKind> retriever_kinds();
/// Errors: kNotFound, naming the nearest and all there are.
Result<const RetrieverKind*> find_retriever_kind(std::string_view name);

/// True when the library that trains with libtorch is there.
bool training_is_built();
/// That this build can train it.
bool can_train(const RetrieverKind& kind);

/// Errors: kNotFound for an unknown name; kInvalidArgument for an option (param: its key) or a data
/// set with nothing to learn from; kUnsupported where libtorch is missing; kCancelled; kInternal
/// when the loss is not a number.
Result<Fit> fit_retriever(std::string_view name, const data::Dataset& dataset,
                          const Assignments& assignments, const FitContext& context);

/// For RetrieverKind::options and fit, of an options struct that is described as configuration is:
/// `describe(base::OptionSet&)` and `resolved(const data::Dataset&)`.
Json options_as_json(const base::OptionSet& set);
Result<void> assign_options(base::OptionSet& set, const Assignments& assignments);

template <typename Options>
Json default_options() {
  Options options;
  base::OptionSet set;
  options.describe(set);
  return options_as_json(set);
}

/// Errors: kInvalidArgument, naming the option.
template <typename Options>
Result<Options> read_options(const data::Dataset& dataset, const Assignments& assignments) {
  Options asked;
  base::OptionSet set;
  asked.describe(set);
  TRY_VOID(assign_options(set, assignments));
  return asked.resolved(dataset);
}

}  // namespace rapport::retrieval
