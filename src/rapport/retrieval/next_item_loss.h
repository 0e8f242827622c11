// The loss of what comes next at every position, as an option of a model: the full softmax
// cross-entropy, or one of its paper's time over sampled negatives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"
#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/sampled_loss.h"

namespace rapport::retrieval {

struct NextItemLossOptions {
  std::string loss = "ce";  // ce, sampled-ce, gbce, bce, bpr, top1, bpr-max
  /// Of a position; 0: 3 with bce (Tang & Wang 2018), 256 with gbce (Petrov & Macdonald 2023), else
  /// 512.
  std::int64_t negatives = 0;
  /// Negatives are drawn ∝ count^exponent; negative: 0 with bce and gbce, else 0.75, as the authors
  /// of bpr-max have it.
  double negative_exponent = -1;

  void describe(base::OptionSet& set);
  /// With what is not set filled in; without meaning for ce, where both become 0, and must not be
  /// set. Errors: kInvalidArgument, naming the option.
  Result<NextItemLossOptions> resolved() const;
  /// Into the flat JSON object of a model's options.
  void add_to(Json& json) const;
  /// None with ce. Of resolved options.
  std::optional<SampledLossOptions> sampled() const;
};

/// What the negatives of `options` are drawn from: the items of the training histories. None with
/// ce.
std::optional<ItemSampler> negative_sampler(const NextItemLossOptions& options,
                                            const data::Dataset& dataset);

/// Not thread-safe: one a thread.
class NextItemLoss {
 public:
  /// `options` are resolved; `sampler` is theirs and outlives it.
  NextItemLoss(const NextItemLossOptions& options, const std::optional<ItemSampler>& sampler,
               std::int64_t items, std::int64_t width);

  /// The sum over rows; gradients as CrossEntropy::Batch says. `key` determines the negatives.
  double add(const CrossEntropy::Batch& batch, std::uint64_t key);

 private:
  std::optional<CrossEntropy> all_;
  std::optional<SampledLoss> sampled_;
};

}  // namespace rapport::retrieval
