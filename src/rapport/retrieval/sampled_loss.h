// Losses that compare the item that came next with a few sampled ones instead of all: how models
// were trained before the softmax over the whole catalogue was affordable.
//
//   const ItemSampler sampler(counts, 0.75);           negatives ∝ count^0.75
//   SampledLoss loss({.kind = SampledLossKind::kBprMax, .negatives = 512}, sampler, width);
//   const double sum = loss.add({.embedding = …, .panels = …, …}, key);
//
// With the score p of what came next and those s_j of N negatives, a row's loss is
//   bce      -log σ(p) - Σ log(1 - σ(s_j))                         Tang & Wang 2018
//   bpr      -1/N Σ log σ(p - s_j)                                 Rendle et al. 2009
//   top1     1/N Σ σ(s_j - p) + σ(s_j²)                            Hidasi et al. 2016
//   bpr-max  -log Σ w_j σ(p - s_j) + λ Σ w_j s_j², w = softmax(s)  Hidasi & Karatzoglou 2018
//   gbce     -β log σ(p) - Σ log(1 - σ(s_j))                       Petrov & Macdonald 2023
//   sampled-ce  -p + log(e^p + Σ e^{s_j} / (N q_j))                Bengio & Senécal 2008
// where an item is drawn with probability q: the sum of sampled-ce is, in the mean of the draws,
// the softmax's over all other items. gbce's β makes scores of sampled negatives calibrated ones:
// with the share α of other items that is drawn and the option t, β = α (t (1 - 1/α) + 1/α). A
// negative that is the row's own target is left out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/retrieval/cross_entropy.h"

namespace rapport::retrieval {

enum class SampledLossKind { kBce, kBpr, kTop1, kBprMax, kGbce, kSampledCe };

/// Draws items with a probability ∝ count^exponent: 0 is uniform, 1 as often as they occur.
/// Immutable; thread-safe.
class ItemSampler {
 public:
  ItemSampler(std::span<const std::int64_t> counts, double exponent);
  std::int32_t draw(base::SplitMix64& random) const;
  std::int64_t items() const { return static_cast<std::int64_t>(cumulative_.size()); }
  double probability(std::int32_t item) const;

 private:
  std::vector<double> cumulative_;  // [items]
};

struct SampledLossOptions {
  SampledLossKind kind = SampledLossKind::kBprMax;
  std::int64_t negatives = 512;
  /// Rows that are compared with the same negatives, so that their scores are one product; Hidasi
  /// et al. have a batch share them.
  std::int64_t rows_that_share = 96;
  float penalty = 1;         // λ of bpr-max; 1 in the authors' code
  float calibration = 0.75;  // t of gbce; 0 is bce, 1 fully calibrated; 0.75 in the paper
};

/// One row on its way to a loss, which leaves gradients in `scores` and `own_gradient`.
struct SampledRow {
  std::int64_t count = 0;               // negatives
  float others = 0;                     // of them, those that are not the target
  const float* valid = nullptr;         // [count], 0 for the target, 1 for others
  const float* log_expected = nullptr;  // [count], log(N q) of the negatives
  float own = 0;                        // score of what came next
  float* scores = nullptr;              // [count]
  float own_gradient = 0;
};

/// Not thread-safe: it owns the memory that a chunk takes.
class SampledLoss {
 public:
  /// `sampler` outlives it.
  SampledLoss(const SampledLossOptions& options, const ItemSampler& sampler, std::int64_t width);

  /// The sum over rows; what is read and written is as CrossEntropy has it, `panels` apart, which
  /// are not looked at. `key` determines the negatives.
  double add(const CrossEntropy::Batch& batch, std::uint64_t key);

 private:
  float loss_of(SampledRow& row);
  double add_chunk(const CrossEntropy::Batch& batch, base::SplitMix64& random);

  SampledLossOptions options_;
  const ItemSampler& sampler_;
  std::int64_t width_;
  float positive_weight_ = 1;  // β
  std::vector<std::int32_t> negatives_;
  std::vector<float> log_expected_;  // [negatives]
  std::vector<float> items_;         // [negatives × width], then their gradient
  std::vector<float> transposed_;    // [width × negatives]
  std::vector<float> scores_;        // [rows × negatives], then their gradients
  std::vector<float> valid_;         // [negatives] of a row: 0 for its own target, 1 for others
  std::vector<float> scratch_;       // [2 × negatives]
};

}  // namespace rapport::retrieval
