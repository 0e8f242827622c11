// The seam of learned ranking: a model that scores candidates by their features.
//
//   TRY(const Ranking fit, train_ranker(lists, options, context));      // ranker_training.h
//   TRY_VOID(fit.ranker->score(rows, scores));
//
// A new kind is one .h/.cpp pair and one line in ranker_kinds().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/base/json.h"
#include "rapport/base/safetensors.h"
#include "rapport/palr/ranking_lists.h"

namespace rapport::palr {

/// A fitted ranker. Immutable; thread-safe.
class Ranker {
 public:
  virtual ~Ranker() = default;

  virtual std::string_view kind() const = 0;  // "xgboost"
  std::int64_t columns() const { return columns_; }

  /// Fills `scores` [candidates] from `rows` [candidates × columns]; higher is better, and only
  /// scores of one user can be compared. Errors: kInvalidArgument for sizes that do not fit;
  /// kInternal, what the library says.
  Result<void> score(std::span<const float> rows, std::span<float> scores) const;
  /// How much each column adds to a score: [candidates × (columns + 1)], the last what no column
  /// brings. Each row sums up to the score, as far as floats do.
  Result<std::vector<float>> contributions(std::span<const float> rows) const;

  void save(base::SafetensorsWriter& writer) const { do_save(writer); }

 protected:
  explicit Ranker(std::int64_t columns) : columns_(columns) {}

 private:
  virtual Result<void> do_score(std::span<const float> rows, std::span<float> scores) const = 0;
  virtual Result<void> do_contributions(std::span<const float> rows,
                                        std::span<float> contributions) const = 0;
  virtual void do_save(base::SafetensorsWriter& writer) const = 0;

  std::int64_t columns_;
};

/// Boosted trees. The defaults are the best of a few tried on held-back users of Amazon Beauty
/// (docs/palr.md).
struct TreeOptions {
  std::string objective = "softmax";  // or "ndcg"; see xgboost_ranker.h
  std::int64_t depth = 3;             // of a tree
  double shrinkage = 0.03;            // of each tree's answer
  double min_weight = 1;              // sum of second derivatives in a leaf
  double rows_share = 0.8;            // of candidates a tree sees
  double columns_share = 0.5;         // of columns a tree sees
  double l2 = 5;                      // on the leaves' values
};

/// The network with one hidden layer, and the linear ranker, which has none.
struct NetworkOptions {
  std::int64_t hidden = 32;       // units
  double learning_rate = 1e-3;    // of Adam
  double weight_decay = 1e-3;     // L2 on the weights
  std::int64_t batch_lists = 32;  // users a step
};

struct RankerOptions {
  std::string ranker = "xgboost";  // a name of ranker_kinds()
  std::int64_t rounds = 400;       // trees or epochs, at most
  std::int64_t patience = 40;      // rounds without a better figure before the search ends
  std::int64_t folds = 5;          // of the users, to choose the round by
  TreeOptions trees = {};
  NetworkOptions network = {};

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument for a name that is none.
  Result<void> check() const;
};

/// A ranker on its way: `advance` is one more round, a tree or an epoch. Used by one thread at a
/// time, not always the same.
class RankerTrainer {
 public:
  virtual ~RankerTrainer() = default;
  virtual Result<void> advance() = 0;
  /// Scores [candidates] of the lists that it was given to measure it by.
  virtual Result<void> score_measured(std::span<float> scores) = 0;
  virtual Result<std::unique_ptr<Ranker>> ranker() const = 0;
};

struct RankerKind {
  std::string_view name;
  std::string_view summary;  // one sentence
  /// `learned` and `measured` outlive the trainer; lists of `learned` without their target are
  /// passed over. The same for the same seed.
  Result<std::unique_ptr<RankerTrainer>> (*train)(const RankingLists& learned,
                                                  const RankingLists& measured,
                                                  const RankerOptions& options,
                                                  std::uint64_t seed) = nullptr;
  /// Errors: kCorrupt.
  Result<std::unique_ptr<Ranker>> (*load)(const base::Safetensors& file,
                                          std::int64_t columns) = nullptr;
};

std::span<const RankerKind> ranker_kinds();
/// Errors: kInvalidArgument, naming all there are.
Result<const RankerKind*> find_ranker_kind(std::string_view name);

}  // namespace rapport::palr
