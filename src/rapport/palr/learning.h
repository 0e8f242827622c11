// How a ranker comes about: users by lot, their candidates, features of these, and the ranker.
//
//   TRY(const RankingModel model, learn_ranking(dataset, std::move(sources), options, context));
//
// It learns which candidate of a user's training part was their validation item: no retriever has
// learned from that item, so that scores are as they will be for items that come (one that had
// would rank it too high). Nothing here ever reads a test item.
#pragma once

#include <functional>
#include <string_view>

#include "rapport/base/clock.h"
#include "rapport/palr/ranker_training.h"
#include "rapport/palr/ranking_model.h"

namespace rapport::palr {

struct LearningContext {
  const base::Clock& clock;
  RankerContext ranker;  // seed, threads, progress of the ranker, stopping
  /// Called at the start of a stage that goes user by user; what it returns is told how far it is,
  /// and may end it with an error.
  std::function<retrieval::WorkStep(std::string_view stage, std::int64_t users)> stage = {};
};

/// The model's report: {"lot" (users drawn), "users", "reached" (those with their item in the
/// pool), "candidates" (mean), "rounds", "validation": {"ndcg@10", "hr@10", "ceiling"} of users
/// held back from the trainer that ranked them, "retrievers": [{"name", "ndcg@10"}] on the same
/// users, "course", "seconds"}. Only users that `language` has answers about are learnt from,
/// whether they are among the features or not: so both can be compared. Errors: those of its steps;
/// kInvalidArgument for options, and where the language model was asked about none.
Result<RankingModel> learn_ranking(const data::Dataset& dataset,
                                   std::span<const CandidateSource> sources,
                                   const PalrOptions& options, const LanguageAnswers& language,
                                   const LearningContext& context);

/// Those of `users` that there are all these answers about, with the history that they have for
/// `split`. Errors: kInvalidArgument where that is nobody, or no more than half of a `lot`, which
/// may be null: the answers are about another one.
Result<std::vector<data::UserIndex>> asked_about(const data::Dataset& dataset, data::Split split,
                                                 std::vector<data::UserIndex> users,
                                                 const LanguageAnswers& language,
                                                 const LotOptions* lot);

}  // namespace rapport::palr
