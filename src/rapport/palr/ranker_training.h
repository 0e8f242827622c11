// Fits a ranker to lists, with as many rounds as serve users that it has not learned from.
//
//   TRY(const Ranking fit, train_ranker(lists, {.ranker = "xgboost"}, {.seed = 1}));
//
// The users are dealt into folds; each fold in turn is held back from a trainer of its own, and all
// of them advance side by side. After each round every user has been ranked by a trainer that did
// not learn from them: the round with the best NDCG of these is the number of rounds that the
// ranker then takes on all users. It is the NDCG over all candidates: that over ten places hangs on
// few users, so that its best round is one by chance.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "rapport/palr/ranker.h"

namespace rapport::palr {

struct RankerProgress {
  std::int64_t round = 0, rounds = 0;  // from 1; the most there may be
  double ndcg = 0;                     // over all candidates, of users that were held back
  bool is_final = false;               // on all users, no longer measured
};

struct RankerContext {
  std::int64_t seed = 1;
  std::int64_t threads = 0;  // 0: one a core; does not change the result
  std::function<void(const RankerProgress&)> on_progress = {};
  std::stop_token stop_token = {};
};

struct Ranking {
  std::unique_ptr<Ranker> ranker;
  std::int64_t rounds = 0;     // that it took
  std::vector<double> course;  // NDCG of held-back users after each round tried
  /// [candidates] of the lists, each user's by the trainer that did not learn from them, at the
  /// chosen round.
  std::vector<float> held_back;
};

/// Errors: those of RankerOptions::check; kInvalidArgument when fewer lists than folds have their
/// target; kCancelled; those of the ranker.
Result<Ranking> train_ranker(const RankingLists& lists, const RankerOptions& options,
                             const RankerContext& context);

}  // namespace rapport::palr
