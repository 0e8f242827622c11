// What a language model is fine-tuned on: a user's history, perhaps candidates, and what they took
// next.
//
//   TRY(const auto learnt, instructions(dataset, sources, options, context));
//
// Source: the paper, §2.2: the tasks "Recommend" (history → future items) and "Recommend_Retrieval"
// (history and candidates → future items), short histories filled up by 3-hop affinity, items
// swapped by lot between instruction and answer, a fifth of the users. No test item is ever read.
// "recommend" learns from the training parts alone, so that a ranker may learn from the same users'
// validation items what the language model's scores are worth. Where candidates come from a
// retriever, the answer is the validation item, which it has not learnt from: it would put one that
// it has too high.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/palr/candidates.h"

namespace rapport::palr {

/// Defaults: the paper where it says so, else chosen so that a prompt stays within some 1,000
/// tokens.
struct InstructionOptions {
  std::string task = "recommend_retrieval";  // or "recommend"
  double fraction = 0.2;                     // of the users (the paper)
  std::string strata = "activity";           // what they are drawn by
  std::int64_t history = 20;                 // newest items of it that are shown
  std::int64_t profile = 0;                  // keywords that it bears out, shown beside it
  std::int64_t enrich_below = 5;  // shorter histories are filled up to so many by affinity
  std::int64_t candidates = 50;   // shown
  double similar = 0.2;           // share of them that are taken where the answer is, too
  std::int64_t answers = 5;       // recommend: newest items that are the answer
  std::int64_t windows = 1;       // recommend: examples of a user, each `answers` items earlier
  double swap = 0.1;              // recommend: chance that an item changes places with an answer

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
};

struct Instruction {
  data::UserIndex user = 0;
  std::vector<data::ItemIndex> history;     // oldest first, what fills it up in front
  std::vector<data::ItemIndex> candidates;  // in an order by lot, the answer among them
  std::vector<data::ItemIndex> answers;     // next first
};

/// In the order of the users, newest first; users with too short a history have none. The same for
/// the same seed. `sources` may be empty for "recommend", which has no candidates. `step` is told
/// how far it is. Errors: those of InstructionOptions::check and of Retriever::score;
/// kInvalidArgument for candidates without a source.
Result<std::vector<Instruction>> instructions(const data::Dataset& dataset,
                                              std::span<const CandidateSource> sources,
                                              const InstructionOptions& options, std::int64_t seed,
                                              const std::function<Result<void>(double)>& step = {});

}  // namespace rapport::palr
