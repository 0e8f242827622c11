// What trainings of one flat array of weights have in common: validation by full ranking, the best
// weights kept, checkpoints from which a training goes on to the same bits, and the threads.
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
#include "rapport/base/thread_pool.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/training_loop.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

/// The threads of one fit.
class TrainingThreads {
 public:
  explicit TrainingThreads(const FitContext& context);

  std::size_t count() const { return count_; }
  base::ThreadPool& pool() { return pool_; }
  /// work(begin, end) for each `chunk` in a row of [0, size), the last one shorter, in any order.
  void over(std::int64_t size, std::int64_t chunk,
            const std::function<void(std::int64_t begin, std::int64_t end)>& work);

 private:
  std::size_t count_;
  base::ThreadPool pool_;
};

/// All that changes in the course of a training; a checkpoint holds it.
struct TrainingState {
  std::vector<float> weights;
  std::vector<float> first_moment, second_moment;  // [weights] of Adam; empty where it is not used
  std::int64_t steps = 0;                          // of Adam
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

/// What `fit` returns; kInternal when memory does not suffice, with the options to lower.
Result<Fit> within_memory(std::string_view kind, const data::Dataset& dataset,
                          std::string_view remedy, const std::function<Result<Fit>()>& fit);

/// Within `within_memory`. Errors: those of TrainingLoop::run.
Result<Fit> train_weights(const data::Dataset& dataset, const WeightTask& task,
                          const FitContext& context);

/// Errors: kInvalidArgument (param: "data") when nobody has `fewest` items to learn from, 1 or 2,
/// and an item that is not known, to compare them with.
Result<void> check_there_is_work(const data::Dataset& dataset, std::size_t fewest);

/// One step of Adam on all weights; counts it.
void adam_step(AdamStep step, std::span<const float> gradients, TrainingThreads& threads,
               TrainingState& state);

/// Errors: kCancelled once a stop was asked for: what an epoch of many steps looks at after each.
Result<void> check_not_stopped(const FitContext& context, std::int64_t epoch);

}  // namespace rapport::retrieval
