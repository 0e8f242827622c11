// Who took what, in batches by lot, and what they did not take to compare it with: for models that
// are trained on pairs of a user and an item by the gradient of a whole batch (LightGCN, NCF).
//
//   const NegativeSampler sampler(histories, items, /*popular=*/0.5);
//   InteractionEpochs epochs(histories, /*batch=*/4096);
//   return epochs.run(epoch, key, context, [&](auto batch, std::uint64_t key) { …; return loss; });
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/data/indexes.h"
#include "rapport/retrieval/pairwise_sgd.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {

struct Interaction {
  data::UserIndex user = 0;
  data::ItemIndex item = 0;
};

/// User by user.
std::vector<Interaction> interactions_of(Histories histories);
/// [items] how often each was taken.
std::vector<std::int64_t> item_counts(Histories histories, std::int64_t items);

/// Thread-safe.
class NegativeSampler {
 public:
  /// `popular`: share of negatives that are drawn as often as they are taken, [0, 1]; the others
  /// are uniform.
  NegativeSampler(Histories histories, std::int64_t items, double popular);

  /// negatives [batch × count]: items that the interaction's user does not know; -1 where nearly
  /// all are known. They follow from `key`, whatever the threads.
  void draw(std::span<const Interaction> batch, std::int64_t count, std::uint64_t key,
            TrainingThreads& threads, std::vector<std::int32_t>& negatives) const;

 private:
  std::int32_t draw_one(data::UserIndex user, base::SplitMix64& random) const;

  std::vector<Interaction> interactions_;
  KnownItems known_;
  std::size_t items_;
  std::uint64_t popular_;  // of 2^32
};

class InteractionEpochs {
 public:
  /// `batch`: interactions a step, at most.
  InteractionEpochs(Histories histories, std::int64_t batch);

  using Step = std::function<double(std::span<const Interaction> batch, std::uint64_t key)>;
  /// All interactions once, in batches of nearly one size, in an order that follows from `key`;
  /// `step` returns the mean loss of its batch. Returns the mean of all. Errors: kCancelled.
  Result<double> run(std::int64_t epoch, std::uint64_t key, const FitContext& context,
                     const Step& step);

 private:
  std::size_t batch_;
  std::vector<Interaction> interactions_, ordered_;
};

}  // namespace rapport::retrieval
