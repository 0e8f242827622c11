// The weights of a model of sequences while it is trained, with Adam's moments and the best so far.
//
//   SequenceParameters parameters(task, seed, pool, threads);
//   parameters.refresh();                                  before each step's gradients
//   parameters.step({gradient_of_one_shard, gradient_of_another, …});
//
// Where text is read, item vectors are made of what is learnt: an item's own vector and, weighted
// as text_features.h has it, one of each token of its text, which all items that have the token
// share (after Kula 2015). Models and gradients see the sum, in the place of the item's own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/base/thread_pool.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/training/sequence_trainer.h"

namespace rapport::retrieval {

/// The same for any number of threads.
class SequenceParameters {
 public:
  /// `task` and `pool` outlive it. Initial values follow from `seed`.
  SequenceParameters(const SequenceTask& task, std::int64_t seed, base::ThreadPool& pool,
                     std::size_t threads);

  /// Of all that is learnt, in this order: the model's, the text gate's, the tokens' vectors.
  const WeightLayout& layout() const { return layout_; }
  /// What gradients read, and are of: the model's weights and the text gate's, as of `refresh`.
  std::span<const float> read() const { return has_text() ? composed_ : weights_; }
  const ItemPanels& panels() const { return panels_; }
  void refresh();

  /// One step of Adam. `gradients` [read().size()] each; their sum counts.
  void step(std::span<const float* const> gradients);

  void keep_best() { best_ = weights_; }
  std::unique_ptr<Retriever> model() const { return model_of(weights_); }
  std::unique_ptr<Retriever> best_model() const { return model_of(best_); }

  void save(base::SafetensorsWriter& writer) const;
  Result<void> load(const base::Safetensors& file);

 private:
  bool has_text() const { return task_.text != nullptr; }
  void initialise(std::int64_t seed);
  void add_token_vectors(const std::vector<float>& weights, std::int64_t first, std::int64_t last,
                         std::vector<float>& out) const;
  void update(const AdamStep& step, std::size_t begin, std::size_t end,
              std::span<const float* const> gradients);
  void gather_token_gradients(std::span<const float* const> gradients);
  std::unique_ptr<Retriever> model_of(const std::vector<float>& weights) const;

  const SequenceTask& task_;
  base::ThreadPool& pool_;
  const std::size_t threads_;
  WeightLayout layout_;
  TextGateWeights gate_;
  std::size_t read_size_;  // floats before the tokens' vectors
  std::vector<float> weights_, best_, first_moment_, second_moment_;
  std::int64_t steps_ = 0;
  ItemPanels panels_;
  // Where text is read.
  std::vector<float> composed_;                          // [read_size_]
  std::vector<float> item_gradients_, token_gradients_;  // [items × d], [tokens × d]
};

}  // namespace rapport::retrieval
