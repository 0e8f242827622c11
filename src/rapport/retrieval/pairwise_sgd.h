// Bayesian personalised ranking by stochastic gradient descent (Rendle et al. 2009): factors that
// put what a user took above what they did not, for models whose score is a sum of products of
// factors. On several threads, with a result that does not depend on their number.
//
//   PairwiseSgd sgd(std::move(examples), known, users, items);
//   const double loss = sgd.run_epoch(factors, rates, key, threads);
//
// Each epoch splits users, items and previous items by lot into blocks. What is computed at one
// time are cells that share no block (Gemulla et al. 2011), and a negative item is drawn from the
// block of the positive one: nobody waits, nothing is written twice, and what a cell computes does
// not depend on the others. Over the epochs every item meets every other one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/data/indexes.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

/// The score of an item for a user, after a previous item, is
/// user · item + bias, and + previous · next where there are transitions.
struct PairwiseFactors {
  std::int64_t dimension = 0;
  float* user = nullptr;      // [users × dimension]
  float* item = nullptr;      // [items × dimension]
  float* bias = nullptr;      // [items]
  float* previous = nullptr;  // [items × dimension], or none
  float* next = nullptr;      // [items × dimension], or none
};

struct PairwiseExample {
  data::UserIndex user = 0;
  data::ItemIndex item = 0;      // taken
  data::ItemIndex previous = 0;  // the item before it, where there are transitions
};

struct PairwiseRates {
  float learning_rate = 0.1f;
  float regularisation = 0.01f;  // L2 on the factors of an example
  /// Share of negatives that are drawn as often as they are taken, [0, 1]; the others are uniform.
  float popular_negatives = 1;
};

/// One step down the gradient of -log σ(score of the item - score of `negative`), plus half the
/// squares of its factors times the regularisation. Returns that loss, without the squares.
float pairwise_step(const PairwiseFactors& factors, const PairwiseExample& example,
                    data::ItemIndex negative, const PairwiseRates& rates);

using Histories = std::span<const std::span<const data::ItemIndex>>;  // [users]

/// What each user has taken, to draw no negatives from.
class KnownItems {
 public:
  explicit KnownItems(Histories histories);
  bool contains(data::UserIndex user, data::ItemIndex item) const;

 private:
  std::vector<std::int64_t> offsets_ = {0};
  std::vector<data::ItemIndex> items_;  // ascending for each user
};

class PairwiseSgd {
 public:
  PairwiseSgd(std::vector<PairwiseExample> examples, KnownItems known, std::int64_t users,
              std::int64_t items, bool transitions);

  /// One step for each example, in an order and with negatives that follow from `key`. Returns the
  /// mean loss. An example of whom nearly all items of a block are known is left out.
  double run_epoch(const PairwiseFactors& factors, const PairwiseRates& rates, std::uint64_t key,
                   TrainingThreads& threads);

 private:
  struct Split {                       // of users or items into blocks
    std::vector<std::int32_t> order;   // block by block
    std::vector<std::int64_t> begins;  // [blocks + 1] into `order`
    std::vector<std::uint8_t> block;   // of each

    void draw(std::int64_t count, std::int64_t blocks, base::SplitMix64& random);
  };
  struct Sum {
    double loss = 0;
    std::int64_t steps = 0;
  };

  std::size_t cell_of(const PairwiseExample& example) const;
  void sort_into_cells();
  Sum run_cell(std::size_t cell, const PairwiseFactors& factors, const PairwiseRates& rates,
               std::uint64_t key);

  std::vector<PairwiseExample> examples_, ordered_;
  KnownItems known_;
  std::int64_t users_, items_, blocks_;
  bool transitions_;
  Split user_split_, item_split_, previous_split_;
  std::vector<std::size_t> cells_;  // where each begins in `ordered_`, and the end
};

}  // namespace rapport::retrieval
