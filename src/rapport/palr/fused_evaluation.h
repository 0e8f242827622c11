// What one more voice adds to a retriever, in the paper's simple form: the retriever's candidates
// are ordered by its score and that of a language model, two numbers and one weight between them.
//
//   TRY(const FusedEvaluation found,
//       evaluate_fused(dataset, {.retriever = sasrec, .scores = &scores, .others = {second_seed}},
//                      {}, context));
//   print(dump_json(to_json(found)));
//
// Any second model adds something, if only as a second seed does: so others are fused in the same
// way, as controls, and what the language model adds beyond them is what is its own doing. The
// weight is chosen on the validation items of the same users, and the test items are ranked once.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "rapport/evaluation/comparison.h"
#include "rapport/palr/learning.h"

namespace rapport::palr {

/// Who is heard. What it points to outlives the evaluation.
struct FusedVoices {
  const CandidateSource& retriever;  // proposes the candidates
  /// What a language model said of them, for the validation and the test items; null: none, and the
  /// first of `others` is the voice that is measured.
  const LanguageScores* scores = nullptr;
  std::span<const CandidateSource> others = {};  // the rest are controls
};

struct FusedOptions {
  std::int64_t candidates =
      50;  // the retriever's best; those that the language model was asked about
  statistics::BootstrapOptions bootstrap = {};
};

/// One voice beside the retriever.
struct FusedVoice {
  std::string name;
  double weight = 0;                        // of its score, against the retriever's 1
  double validation = 0;                    // NDCG@10 with that weight
  evaluation::RankingMetrics alone, fused;  // on test items
  std::vector<evaluation::Estimate> gain;   // of the fused order over the retriever's
  /// Of the first voice's fused order over this one's; empty for the first.
  std::vector<evaluation::Estimate> behind_first;
};

struct FusedEvaluation {
  std::string data, data_checksum, retriever_name;
  evaluation::RankingMetrics retriever;
  double ceiling = 0;  // share of test items among the candidates
  std::int64_t validation_users = 0;
  std::vector<FusedVoice> voices;  // the measured one, then the controls
  double confidence = 0.95;
  double seconds = 0;
};

/// Items outside of the candidates come after them all, so that a target there is last. Both scores
/// are in standard deviations among the user's candidates. Errors: kInvalidArgument without a
/// second voice, and where the language model was asked about nobody's validation or test item;
/// kConflict where it was asked about other candidates; those of the models and of `context`.
Result<FusedEvaluation> evaluate_fused(const data::Dataset& dataset, const FusedVoices& voices,
                                       const FusedOptions& options, const LearningContext& context);

/// {"retriever", "language_model" and "fused" (the first voice, alone and fused), "ceiling",
/// "controls": [{"name", "alone", "fused", "behind_first"}], …}.
Json to_json(const FusedEvaluation& evaluation);
std::string to_markdown(const FusedEvaluation& evaluation);

}  // namespace rapport::palr
