// What trainings of one flat array of weights have in common: validation by full ranking, the best
// weights kept, checkpoints from which a training goes on to the same bits.
//
//   return train_weights(dataset, {.kind = "bprmf", .layout = layout, .run_epoch = …, …}, context);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/training_loop.h"
#include "rapport/retrieval/training_threads.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

/// All that changes in the course of a training; a checkpoint holds it.
struct TrainingState {
  std::vector<float> weights, best;                // the best so far
  std::vector<float> first_moment, second_moment;  // [weights] of Adam; empty where it is not used
  std::vector<float> average;                      // [weights] of epochs; empty where not used
  std::int64_t steps = 0;                          // of Adam

  /// After `epoch`, from 1: `average` becomes the mean of the epochs so far and, from the epoch
  /// `horizon` on, an exponential one, in which the newest epoch counts 1/horizon.
  void add_to_average(std::int64_t epoch, std::int64_t horizon);
  /// What is validated, kept and served.
  std::span<const float> result() const { return average.empty() ? weights : average; }

  void save(base::SafetensorsWriter& writer) const;
  /// Of as many weights as there are, with moments and average or without as they are. Errors:
  /// kCorrupt, which leaves the state as it was.
  Result<void> load(const base::Safetensors& file);
};

/// What is a model's own.
struct WeightTask {
  std::string kind;            // in the registry
  std::int64_t algorithm = 1;  // raised by a change that gives other weights for the same seed
  WeightLayout layout;
  bool adam = false;
  /// Sets the values of one place of the layout, which are zero.
  std::function<void(const WeightPlace& place, std::span<float> values, base::Random& random)>
      initialise;
  /// As LoopHooks::run_epoch; all chance follows from `key`.
  std::function<Result<double>(std::int64_t epoch, std::uint64_t key, TrainingState& state)>
      run_epoch;
  std::function<std::unique_ptr<Retriever>(std::span<const float> weights)> model;
  LoopOptions loop;
  Json options = Json::object();  // all in effect
};

/// What `fit` returns; kInternal when memory does not suffice, with what to do then ("lower
/// dimension"), and for what a library throws.
Result<Fit> within_memory(std::string_view kind, const data::Dataset& dataset,
                          std::string_view remedy, const std::function<Result<Fit>()>& fit);

/// Within `within_memory`. Errors: those of TrainingLoop::run.
Result<Fit> train_weights(const data::Dataset& dataset, const WeightTask& task,
                          const FitContext& context);

/// Errors: kInvalidArgument (param: "data") when nobody has `fewest` items to learn from, 1 or 2,
/// and an item that is not known, to compare them with.
Result<void> check_there_is_work(const data::Dataset& dataset, std::size_t fewest);

/// NDCG@10 on the validation items, ranked among all. Errors: those of rank_held_out.
Result<double> validation_ndcg(const Retriever& model, const data::Dataset& dataset,
                               std::int64_t threads);

/// One step of Adam on all weights; counts it.
void adam_step(AdamStep step, std::span<const float> gradient, TrainingThreads& threads,
               TrainingState& state);
/// A part of one, of which the caller counts the steps: the weights from `begin` on, as many as
/// `size`, where each of `gradients`, whose sum counts, begins.
void adam_update(const AdamStep& step, std::int64_t begin, std::int64_t size,
                 std::span<const float* const> gradients, TrainingThreads& threads,
                 TrainingState& state);

}  // namespace rapport::retrieval
