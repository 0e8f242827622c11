// How what is learnt of a model of sequences becomes what its gradients read, and they a step.
//
//   SequenceParameters parameters(task, threads);
//   const auto read = parameters.refresh(state.weights);       before each step's gradients
//   parameters.step({gradient_of_one_shard, gradient_of_another, …}, state);
//
// Where text is read, item vectors are made of what is learnt: an item's own vector and, weighted
// as text_features.h has it, one of each token of its text, which all items that have the token
// share (after Kula 2015). Models and gradients see the sum, in the place of the item's own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "rapport/retrieval/training/sequence_trainer.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {

/// The same for any number of threads.
class SequenceParameters {
 public:
  /// Both outlive it.
  SequenceParameters(const SequenceTask& task, TrainingThreads& threads);

  /// Of all that is learnt, in this order: the model's, the text gate's, the tokens' vectors.
  const WeightLayout& layout() const { return layout_; }
  /// As WeightTask::initialise, of `layout`.
  void initialise(const WeightPlace& place, std::span<float> values, base::Random& random) const;

  /// What gradients read, and are of, [read_size()]: the model's weights and the text gate's. Of
  /// `weights` [layout().total], with the panels; valid until the next call.
  std::span<const float> refresh(const std::vector<float>& weights);
  std::size_t read_size() const { return read_size_; }
  /// Empty where the task does not score all items.
  const ItemPanels& panels() const { return panels_; }

  /// One step of Adam. `gradients` [read_size()] each; their sum counts.
  void step(std::span<const float* const> gradients, TrainingState& state);

  std::unique_ptr<Retriever> model(std::span<const float> weights) const;

 private:
  bool has_text() const { return task_.text != nullptr; }
  void add_token_vectors(std::span<const float> weights, std::int64_t first, std::int64_t last,
                         std::vector<float>& out) const;
  void gather_token_gradients(std::span<const float* const> gradients);

  const SequenceTask& task_;
  TrainingThreads& threads_;
  WeightLayout layout_;
  TextGateWeights gate_;
  std::size_t read_size_;  // floats before the tokens' vectors
  ItemPanels panels_;
  // Where text is read.
  std::vector<float> composed_;                          // [read_size_]
  std::vector<float> item_gradients_, token_gradients_;  // [items × d], [tokens × d]
};

}  // namespace rapport::retrieval
