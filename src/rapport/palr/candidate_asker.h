// One language model asked about one user's candidates.
//
//   TRY(const auto asker, CandidateAsker::create(dataset, model, options, seed));
//   TRY(const ScoredCandidates scored, asker->ask(user, history, items, stop_token));
//
// Two ways to ask (QuestionOptions says what is shown):
//   titles   how likely the model writes a candidate's title as the next line of its answer
//            (log-probability), beside how likely it does without any history (the prior)
//   letters  candidates are listed with letters, and one pass tells how likely it answers each
//            letter (LlamaRec, Yue et al. 2023), averaged over orders: the mean of
//            log-probabilities
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/palr/candidates.h"
#include "rapport/palr/questions.h"

namespace rapport::palr {

struct LanguageScoreOptions {
  std::string ask = "titles";    // or "letters"
  std::int64_t candidates = 50;  // of the pool, best first by the best rank of any source
  std::int64_t asked = 5;        // titles: how many the prompt asks for, as in tuning
  std::int64_t orders = 2;       // letters
  QuestionOptions question = {};

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument, naming the option.
  Result<void> check() const;
  Json to_json() const;
  /// Errors: kCorrupt, where it is no such object.
  static Result<LanguageScoreOptions> from_json(const Json& json);
  bool asks_titles() const;
};

/// Of one user with one history, candidate by candidate.
struct ScoredCandidates {
  std::vector<data::ItemIndex> items;
  std::vector<float> scores;  // natural logarithm
  std::vector<float> priors;  // titles: without a history; else empty
  float weight = 1;           // users that the one stands for
};

/// Tells the template apart that is asked with.
std::string asked_prompt(const LanguageScoreOptions& options);

/// The places of a user's `orders` lists of so many candidates, by lot.
std::vector<std::vector<std::size_t>> letter_orders(std::size_t candidates, std::int64_t orders,
                                                    std::int64_t seed, data::UserIndex user);

/// Thread-safe.
class CandidateAsker {
 public:
  using Items = std::span<const data::ItemIndex>;

  /// The data set and the model outlive it; the seed is of the orders. Errors: those of
  /// LanguageScoreOptions::check and Questions::create.
  static Result<std::shared_ptr<CandidateAsker>> create(const data::Dataset& dataset,
                                                        language::EmbeddedModel& model,
                                                        const LanguageScoreOptions& options,
                                                        std::int64_t seed);

  const LanguageScoreOptions& options() const { return options_; }
  /// What was found out before: titles without a history are asked about once.
  void know_priors(const ScoredCandidates& scored);

  /// `user` tells orders apart. Blocks. Errors: kCancelled; those of the model.
  Result<ScoredCandidates> ask(data::UserIndex user, Items history,
                               std::vector<data::ItemIndex> items, std::stop_token stop_token);

  /// Of a pool, as many as are asked about, best first.
  std::vector<data::ItemIndex> asked_of(const Pool& pool) const;

 private:
  CandidateAsker(language::EmbeddedModel& model, Questions questions, LanguageScoreOptions options,
                 std::int64_t seed)
      : model_(model),
        questions_(std::move(questions)),
        options_(std::move(options)),
        seed_(seed) {}

  Result<std::vector<float>> likelihoods(Items history, Items items, std::stop_token stop_token);
  Result<std::vector<float>> priors(Items items, std::stop_token stop_token);
  Result<std::vector<float>> choices(data::UserIndex user, Items history, Items items,
                                     std::stop_token stop_token);

  language::EmbeddedModel& model_;
  const Questions questions_;
  const LanguageScoreOptions options_;
  const std::int64_t seed_;
  std::mutex mutex_;
  std::map<data::ItemIndex, float> priors_;
};

}  // namespace rapport::palr
