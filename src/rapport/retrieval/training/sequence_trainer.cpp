#include "rapport/retrieval/training/sequence_trainer.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/training/device_gradient.h"
#include "rapport/retrieval/training/sequence_parameters.h"

namespace rapport::retrieval {
namespace {

/// Parts of a batch whose gradients are computed side by side and summed in this order: part of the
/// result, so not a matter of the machine. On two cores two and four take the same time, and
/// four give four cores work. Each holds a gradient of all weights. A device takes a batch whole.
constexpr std::size_t kShards = 4;
/// Raised by a change that gives other weights for the same seed: a checkpoint from before must not
/// be gone on from.
constexpr std::int64_t kAlgorithm = 2, kAlgorithmWithText = 3;

class Trainer {
 public:
  /// Without a `device`, on the processor.
  Trainer(const data::Dataset& dataset, const SequenceTask& task, const FitContext& context,
          const std::optional<c10::Device>& device)
      : task_(task), context_(context), threads_(context.threads), parameters_(task, threads_) {
    at::set_num_threads(1);  // ours work on shards; theirs would wait for each other in every layer
    for (std::size_t i = 0; i < (device ? 1 : kShards); ++i) {
      shards_.push_back({device ? task.gradient_on(*device) : task.gradient(), {}, 0});
      shards_.back().gradients.resize(parameters_.read_size());
    }
    for (data::UserIndex user = 0; user < dataset.users(); ++user) {
      histories_.push_back(data::training_history(dataset, user));
      const auto size = static_cast<std::int64_t>(histories_.back().size());
      const std::int64_t learnt = task.window == 0 ? 1 : std::min(size - 1, task.max_length);
      for (std::int64_t end = size - learnt + 1; size >= 2 && end <= size; ++end) {
        examples_.push_back({user, static_cast<std::int32_t>(end)});
        positions_ += positions(examples_.back());
      }
    }
  }

  bool has_work() const { return positions_ > 0; }
  const SequenceParameters& parameters() const { return parameters_; }

  Result<double> run_epoch(std::int64_t epoch, std::uint64_t key, TrainingState& state) {
    base::SeededRandom random(key);
    shuffle(random);
    const std::int64_t steps = std::max<std::int64_t>(
        1, (positions_ + task_.training.batch_positions / 2) / task_.training.batch_positions);
    double loss = 0;
    std::int64_t predicted = 0;
    std::size_t next = 0;
    std::int64_t done = 0;
    for (std::int64_t step = 0; step < steps; ++step) {
      const std::size_t first = next;
      const std::int64_t until = positions_ * (step + 1) / steps, before = done;
      for (; next < examples_.size() && done < until; ++next) done += positions(examples_[next]);
      if (next == first) continue;
      const StepLoss taken =
          take_step({examples_.data() + first, next - first}, done - before, random.next(), state);
      loss += taken.sum;
      predicted += taken.targets;
      TRY_VOID(check_not_stopped(context_, epoch));
      if (!std::isfinite(loss)) break;
    }
    return loss / static_cast<double>(predicted);
  }

 private:
  /// A history up to an item, which is its last target.
  struct Example {
    data::UserIndex user;
    std::int32_t end;
  };
  struct Shard {
    std::unique_ptr<BatchGradient> gradient;
    std::vector<float> gradients;  // [weights that are read]
    double loss;
  };

  struct StepLoss {
    double sum;
    std::int64_t targets;
  };

  std::span<const data::ItemIndex> items(const Example& example) const {
    return histories_[static_cast<std::size_t>(example.user)].first(
        static_cast<std::size_t>(example.end));
  }

  /// That an example has in a batch.
  std::int64_t positions(const Example& example) const {
    if (task_.window > 0) return 1;
    return std::min<std::int64_t>(task_.cloze ? example.end : example.end - 1, task_.max_length);
  }

  /// The order of an epoch follows from its number alone: every epoch starts from the same order.
  void shuffle(base::Random& random) {
    if (order_.empty()) order_ = examples_;
    examples_ = order_;
    for (std::size_t i = examples_.size(); i > 1; --i)
      std::swap(examples_[i - 1], examples_[static_cast<std::size_t>(random.next() % i)]);
  }

  /// One update of the weights.
  StepLoss take_step(std::span<const Example> examples, std::int64_t positions, std::uint64_t key,
                     TrainingState& state) {
    const std::vector<TrainingBatch> parts = split(examples, positions, key);
    std::int64_t targets = 0;
    for (const TrainingBatch& part : parts)
      targets += static_cast<std::int64_t>(part.targets.size());
    const float scale = 1 / static_cast<float>(targets);
    const std::span<const float> read = parameters_.refresh(state.weights);
    threads_.each(static_cast<std::int64_t>(shards_.size()), [&](std::int64_t shard_number) {
      const auto i = static_cast<std::size_t>(shard_number);
      Shard& shard = shards_[i];
      std::ranges::fill(shard.gradients, 0.0f);
      shard.loss = shard.gradient->add(parts[i], read, parameters_.panels(), scale, key + i,
                                       shard.gradients);
    });
    std::vector<const float*> gradients;
    for (const Shard& shard : shards_) gradients.push_back(shard.gradients.data());
    parameters_.step(gradients, state);
    double loss = 0;
    for (const Shard& shard : shards_) loss += shard.loss;
    return {loss, targets};
  }

  /// Into parts of about as many of the `total` positions, one a shard.
  std::vector<TrainingBatch> split(std::span<const Example> examples, std::int64_t total,
                                   std::uint64_t key) const {
    base::SplitMix64 masks(~key);  // the shards' own chance begins at `key`
    std::vector<TrainingBatch> parts(shards_.size());
    std::int64_t done = 0;
    for (const Example& example : examples) {
      const auto part = static_cast<std::size_t>(done * static_cast<std::int64_t>(parts.size()) /
                                                 std::max<std::int64_t>(1, total));
      TrainingBatch& batch = parts[std::min(part, parts.size() - 1)];
      const auto sequence = items(example);
      if (task_.window > 0) {
        const auto read = std::min(sequence.size(), static_cast<std::size_t>(task_.window) + 1);
        batch.add_window(sequence.last(read), example.user);
      } else if (task_.cloze) {
        batch.add_masked(sequence, task_.max_length, *task_.cloze, masks);
      } else {
        batch.add(sequence, task_.max_length);
      }
      done += positions(example);
    }
    return parts;
  }

  const SequenceTask& task_;
  const FitContext& context_;
  TrainingThreads threads_;
  std::vector<std::span<const data::ItemIndex>> histories_;  // [users]
  std::vector<Example> examples_, order_;
  std::int64_t positions_ = 0;  // of an epoch
  SequenceParameters parameters_;
  std::vector<Shard> shards_;
};

Result<Fit> train(const data::Dataset& dataset, const SequenceTask& task,
                  const FitContext& context) {
  TRY(const auto device, training_device(task.training.device));
  Trainer trainer(dataset, task, context, device);
  if (!trainer.has_work())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no user with four interactions: there is nothing to learn from",
                            dataset.name()),
                "data");

  const SequenceParameters& parameters = trainer.parameters();
  return train_weights(
      dataset,
      {.kind = task.kind,
       .algorithm = task.text != nullptr ? kAlgorithmWithText : kAlgorithm,
       .layout = parameters.layout(),
       .adam = true,
       .initialise = [&](const WeightPlace& place, std::span<float> values,
                         base::Random& random) { parameters.initialise(place, values, random); },
       .run_epoch = [&](std::int64_t epoch, std::uint64_t key,
                        TrainingState& state) { return trainer.run_epoch(epoch, key, state); },
       .model = [&](std::span<const float> weights) { return parameters.model(weights); },
       .loop = task.training.loop,
       .options = task.options},
      context);
}

}  // namespace

void TrainingBatch::add(std::span<const data::ItemIndex> sequence, std::int64_t max_length) {
  sequences.add(sequence.first(sequence.size() - 1), max_length);
  const auto read = std::min(sequence.size() - 1, static_cast<std::size_t>(max_length));
  const auto next = sequence.last(read);
  targets.insert(targets.end(), next.begin(), next.end());
}

void TrainingBatch::add_window(std::span<const data::ItemIndex> window, data::UserIndex user) {
  const auto read = static_cast<std::int64_t>(window.size()) - 1;
  sequences.add(window.first(window.size() - 1), read);
  predicted.push_back(static_cast<std::int32_t>(sequences.size() - 1));
  targets.push_back(window.back());
  users.push_back(user);
}

void TrainingBatch::add_masked(std::span<const data::ItemIndex> sequence, std::int64_t max_length,
                               const ClozeOptions& cloze, base::SplitMix64& random) {
  const MaskedSequence masked = mask_items(sequence, max_length, cloze, random);
  for (const std::size_t place : masked.places)
    predicted.push_back(static_cast<std::int32_t>(sequences.size()) +
                        static_cast<std::int32_t>(place));
  targets.insert(targets.end(), masked.targets.begin(), masked.targets.end());
  sequences.add(masked.items, max_length);
}

Result<Fit> train_sequence_model(const data::Dataset& dataset, const SequenceTask& task,
                                 const FitContext& context) {
  return within_memory(task.kind, dataset, "lower dimension or batch_positions",
                       [&] { return train(dataset, task, context); });
}

}  // namespace rapport::retrieval
