// The course of every tuning: batches of whole examples, Adam, progress, checkpoints.
//
//   TextObjective objective(network, texts, options, seed);
//   TRY(const Json report, TuningLoop(objective, options, context, checksum).run());
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/base/thread_pool.h"
#include "rapport/tuning/lora_training.h"
#include "rapport/tuning/training/objective.h"

namespace rapport::tuning {

class TuningLoop {
 public:
  /// Of `options` the rate, its warmup, the passes and the size of a batch. These three outlive it.
  /// `model` tells the language model's file from others.
  TuningLoop(Objective& objective, const LoraOptions& options, const TuneContext& context,
             std::string model);

  /// To the end, or until it is stopped. Returns TunedAdapter::report. Errors: those of train_lora
  /// that are not of its texts.
  Result<Json> run();

 private:
  using Batch = std::vector<std::size_t>;  // numbers of examples
  struct PartLoss {
    double sum = 0;
    std::vector<torch::Tensor> gradients;  // of the mean over the batch, by parameter
  };

  void add_batches(std::int64_t epoch);
  std::vector<Batch> split(const Batch& batch) const;
  PartLoss part_loss(const Batch& part, std::uint64_t seed, double answers_of_batch);
  Result<double> take_step();
  double learning_rate() const;
  void adam(const std::vector<torch::Tensor>& gradients);
  Json report() const;
  Json fingerprint() const;
  Result<void> save() const;
  Result<void> restore();

  Objective& objective_;
  const LoraOptions& options_;
  const TuneContext& context_;
  const std::string model_;
  std::vector<Batch> batches_;
  std::vector<torch::Tensor> first_moments_, second_moments_;  // by parameter
  std::int64_t step_ = 0;                                      // done
  double seconds_ = 0;                                         // of those
  double loss_ = 0;                                            // sum over all answers so far
  std::int64_t tokens_ = 0, answers_ = 0;
  base::ThreadPool pool_;
};

/// libtorch's threads and its BLAS's are kept out while it lives: ours work on parts of a batch,
/// and three pools on the same cores wait for each other most of the time.
class OneThreadEach {
 public:
  OneThreadEach();
  ~OneThreadEach();
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int torch_, blas_ = 0;
};

}  // namespace rapport::tuning
