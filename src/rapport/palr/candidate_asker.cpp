#include "rapport/palr/candidate_asker.h"

#include <fmt/format.h>

#include <numeric>

#include "rapport/base/random.h"
#include "rapport/palr/option_json.h"
#include "rapport/palr/prompts.h"

namespace rapport::palr {
namespace {

constexpr const char* kAskTitles = "titles";
constexpr const char* kAskLetters = "letters";

}  // namespace

void LanguageScoreOptions::describe(base::OptionSet& set) {
  set.add("ask", ask, "titles (how likely each is written) or letters (which is chosen)");
  set.add("candidates", candidates, "asked about: the best of the models; letters: at most 52", 1,
          1000);
  set.add("asked", asked, "titles: how many the prompt asks for", 1, 100);
  set.add("orders", orders, "letters: orders of the candidates, averaged", 1, 100);
  question.describe_shown(set);
  question.describe(set);
}

Result<void> LanguageScoreOptions::check() const {
  if (ask != kAskTitles && ask != kAskLetters)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("ask is \"{}\": expected {} or {}", ask, kAskTitles, kAskLetters),
                "ask");
  if (ask == kAskLetters && candidates > static_cast<std::int64_t>(kLetters))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("candidates is {}: there are {} letters", candidates, kLetters),
                "candidates");
  return {};
}

Json LanguageScoreOptions::to_json() const {
  return option_json(*this);
}

Result<LanguageScoreOptions> LanguageScoreOptions::from_json(const Json& json) {
  return options_from_json<LanguageScoreOptions>(json, "how the language model was asked");
}

bool LanguageScoreOptions::asks_titles() const {
  return ask == kAskTitles;
}

std::string asked_prompt(const LanguageScoreOptions& options) {
  return prompt_digest(options.asks_titles() ? prompts::kRecommend : prompts::kRecommendRetrieval);
}

std::vector<std::vector<std::size_t>> letter_orders(std::size_t candidates, std::int64_t orders,
                                                    std::int64_t seed, data::UserIndex user) {
  base::SplitMix64 random(static_cast<std::uint64_t>(seed) * 0x9e3779b97f4a7c15u +
                          static_cast<std::uint64_t>(user));
  std::vector<std::size_t> order(candidates);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::vector<std::size_t>> made;
  for (std::int64_t o = 0; o < orders; ++o) {
    base::shuffle(std::span(order), random);
    made.push_back(order);
  }
  return made;
}

Result<std::shared_ptr<CandidateAsker>> CandidateAsker::create(const data::Dataset& dataset,
                                                               language::EmbeddedModel& model,
                                                               const LanguageScoreOptions& options,
                                                               std::int64_t seed) {
  TRY_VOID(options.check());
  TRY(Questions questions, Questions::create(dataset, model, options.question));
  return std::shared_ptr<CandidateAsker>(
      new CandidateAsker(model, std::move(questions), options, seed));
}

void CandidateAsker::know_priors(const ScoredCandidates& scored) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < scored.priors.size(); ++i)
    priors_[scored.items[i]] = scored.priors[i];
}

Result<ScoredCandidates> CandidateAsker::ask(data::UserIndex user, Items history,
                                             std::vector<data::ItemIndex> items,
                                             std::stop_token stop_token) {
  ScoredCandidates found{.items = std::move(items), .scores = {}, .priors = {}};
  if (found.items.empty()) return found;
  if (options_.asks_titles()) {
    TRY(found.scores, likelihoods(history, found.items, stop_token));
    TRY(found.priors, priors(found.items, stop_token));
  } else {
    TRY(found.scores, choices(user, history, found.items, stop_token));
  }
  return found;
}

std::vector<data::ItemIndex> CandidateAsker::asked_of(const Pool& pool) const {
  std::vector<data::ItemIndex> items;
  for (const std::size_t place : best_first(pool)) {
    if (items.size() == static_cast<std::size_t>(options_.candidates)) break;
    items.push_back(pool.items[place]);
  }
  return items;
}

Result<std::vector<float>> CandidateAsker::likelihoods(Items history, Items items,
                                                       std::stop_token stop_token) {
  language::ChoiceRequest request{
      .messages = {}, .prompt = {}, .choices = {}, .stop_token = std::move(stop_token)};
  TRY(request.messages, questions_.recommend_messages(history, options_.asked));
  for (const data::ItemIndex item : items) request.choices.push_back(questions_.title_line(item));
  TRY(language::ChoiceScores scores, model_.score_choices(request));
  return std::move(scores.logprobs);
}

Result<std::vector<float>> CandidateAsker::priors(Items items, std::stop_token stop_token) {
  std::vector<data::ItemIndex> unknown;
  {
    const std::lock_guard lock(mutex_);
    for (const data::ItemIndex item : items)
      if (!priors_.contains(item)) unknown.push_back(item);
  }
  std::vector<float> found;
  if (!unknown.empty()) {
    TRY(found, likelihoods({}, unknown, std::move(stop_token)));
  }
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < unknown.size(); ++i) priors_[unknown[i]] = found[i];
  std::vector<float> priors;
  for (const data::ItemIndex item : items) priors.push_back(priors_[item]);
  return priors;
}

// Means over orders by lot.
Result<std::vector<float>> CandidateAsker::choices(data::UserIndex user, Items history, Items items,
                                                   std::stop_token stop_token) {
  std::vector<float> sums(items.size());
  for (const auto& order : letter_orders(items.size(), options_.orders, seed_, user)) {
    std::vector<data::ItemIndex> shown;
    language::ChoiceRequest request{
        .messages = {}, .prompt = {}, .choices = {}, .stop_token = stop_token};
    for (std::size_t i = 0; i < order.size(); ++i) {
      shown.push_back(items[order[i]]);
      request.choices.push_back(letter(i));
    }
    TRY(request.messages, questions_.recommend_retrieval_messages(history, shown));
    TRY(const language::ChoiceScores scores, model_.score_choices(request));
    for (std::size_t i = 0; i < order.size(); ++i)
      sums[order[i]] += scores.logprobs[i] / static_cast<float>(options_.orders);
  }
  return sums;
}

}  // namespace rapport::palr
