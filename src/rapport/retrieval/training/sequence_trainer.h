// The training that all models of sequences share: batches of whole sequences or of windows split
// into shards that run side by side, Adam, validation by full ranking, checkpoints.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sequence_model.h"
#include "rapport/retrieval/training/cloze.h"
#include "rapport/retrieval/training/item_text.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

/// Sequences with the items that are predicted from them.
struct TrainingBatch {
  PackedSequences sequences;
  std::vector<std::int32_t> targets;  // [predicted]
  /// Ascending positions whose targets those are; empty where it is all of them.
  std::vector<std::int32_t> predicted;
  /// [sequences] whose they are: of windows only.
  std::vector<data::UserIndex> users;

  /// All but the last of `sequence`, which has two items or more, with all but the first as
  /// targets.
  void add(std::span<const data::ItemIndex> sequence, std::int64_t max_length);
  /// All but the last of `window`, which has two items or more, with the last as the only target.
  void add_window(std::span<const data::ItemIndex> window, data::UserIndex user);
  /// `max_length` items in a row of `sequence`, which has two or more, some of them masked, and
  /// those as targets (cloze.h).
  void add_masked(std::span<const data::ItemIndex> sequence, std::int64_t max_length,
                  const ClozeOptions& cloze, base::SplitMix64& random);
};

/// The loss on a batch and its gradient. Not thread-safe; one a shard.
class BatchGradient {
 public:
  virtual ~BatchGradient() = default;

  /// The sum of the losses over the batch's targets; `gradients` [weights] += scale × the
  /// gradient of that sum. `panels` hold the item embedding of `weights` where the task scores all
  /// items; `key` determines all that is left to chance, dropout above all.
  virtual double add(const TrainingBatch& batch, std::span<const float> weights,
                     const ItemPanels& panels, float scale, std::uint64_t key,
                     std::span<float> gradients) = 0;
};

/// What is a model's own.
struct SequenceTask {
  std::string kind;  // in the registry
  std::int64_t items = 0, dimension = 0, max_length = 0;
  /// Each position is an example of its own, of so many items before it, and all are dealt into
  /// batches by lot: what is learnt of one user should not come all at once. 0: sequences stay
  /// whole.
  std::int64_t window = 0;
  /// How items are masked, to be predicted from both sides; without, each position predicts the
  /// next item.
  std::optional<ClozeOptions> cloze = {};
  WeightLayout layout;
  std::int64_t item_embedding = 0;  // where it begins in the weights
  /// Sets the values of one place of the layout, which are zero.
  std::function<void(const WeightPlace& place, std::span<float> values, base::Random& random)>
      initialise;
  std::function<std::unique_ptr<BatchGradient>()> gradient;
  /// The same on a device, where options.device asks for one.
  std::function<std::unique_ptr<BatchGradient>(c10::Device device)> gradient_on;
  std::function<std::unique_ptr<Retriever>(std::vector<float> weights,
                                           std::optional<TextScores> text)>
      model;
  const ItemText* text = nullptr;  // null where none is read
  /// False where `gradient` looks at no panels: a loss over few items a step.
  bool scores_all_items = true;
  TrainingOptions training;
  Json options = Json::object();  // all in effect
};

/// Errors: kInvalidArgument for a data set with nothing to learn from; kInternal when memory does
/// not suffice; those of train_weights.
Result<Fit> train_sequence_model(const data::Dataset& dataset, const SequenceTask& task,
                                 const FitContext& context);

}  // namespace rapport::retrieval
