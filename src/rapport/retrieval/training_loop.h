// The course of every training: epochs, validation, the best one kept, checkpoints, an early end.
//
//   TrainingLoop loop{{.epochs = 200, .patience = 20}, {.run_epoch = …, .validate = …, …}};
//   TRY(const Json report, loop.run(context, fingerprint));
//
// It knows nothing of models or libraries: what an epoch does, how the state is written and what
// the best is come as callables.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "rapport/base/safetensors.h"
#include "rapport/retrieval/registry.h"

namespace rapport::retrieval {

struct LoopOptions {
  std::int64_t epochs = 200;        // at most
  std::int64_t patience = 20;       // epochs without a better validation before it ends
  std::int64_t evaluate_every = 1;  // epochs
  /// Epochs whose weights are averaged into what is validated and kept; 1: the last epoch's alone.
  std::int64_t average = 1;

  void describe(base::OptionSet& set);
  /// Into the flat JSON object of a model's options.
  void add_to(Json& json) const;
};

struct LoopHooks {
  /// One pass over the data; epochs count from 1, and chance must follow from the epoch's number,
  /// not from what ran before, so that a resumed training equals an uninterrupted one. Returns the
  /// mean loss.
  std::function<Result<double>(std::int64_t epoch)> run_epoch;
  /// NDCG@10 on the validation items.
  std::function<Result<double>()> validate;
  /// The current weights are the best so far.
  std::function<void()> keep_best;
  std::function<void(base::SafetensorsWriter& writer)> save_state;
  std::function<Result<void>(const base::Safetensors& file)> load_state;
};

/// Errors: kCancelled once a stop was asked for: what an epoch of many steps looks at after each.
Result<void> check_not_stopped(const FitContext& context, std::int64_t epoch);

/// Errors: kConflict when `context.checkpoint` holds a training that was stopped, which one without
/// `resume` would write over.
Result<void> check_no_stopped_training(const FitContext& context);
/// What a message of a stop ends with: ": go on with --resume" where there is something to go on
/// from.
std::string how_to_go_on(const FitContext& context);
/// Of a training that is done; what else is in the folder stays.
void remove_checkpoint(const std::filesystem::path& checkpoint);

class TrainingLoop {
 public:
  TrainingLoop(LoopOptions options, LoopHooks hooks);

  /// Returns {"epochs", "best_epoch", "seconds", "validation": {"ndcg@10"}, "curve": […]}; the best
  /// weights are those that `keep_best` last saw. `fingerprint` names all that the result depends
  /// on: a checkpoint of another one is refused. The checkpoint is removed at the end. Errors:
  /// kCancelled, saying how to go on; kInternal when a loss is not a number (the checkpoint then
  /// stays at the epoch before); kConflict for a checkpoint of another training; kCorrupt; kIo.
  Result<Json> run(const FitContext& context, const Json& fingerprint);

 private:
  Result<void> restore(const FitContext& context, const Json& fingerprint);
  Result<void> save(const FitContext& context, const Json& fingerprint);

  LoopOptions options_;
  LoopHooks hooks_;
  std::int64_t epoch_ = 0;  // done
  std::int64_t best_epoch_ = 0;
  double best_ = -1;
  double seconds_ = 0;  // of the epochs done, before a resumption too
  Json curve_ = Json::array();
};

}  // namespace rapport::retrieval
