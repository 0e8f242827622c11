#include "rapport/palr/language_scores.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "rapport/base/random.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/palr/option_json.h"
#include "rapport/palr/prompts.h"

namespace rapport::palr {
namespace {

constexpr const char* kAskTitles = "titles";
constexpr const char* kAskLetters = "letters";
constexpr const char* kKind = "scores";

using Items = std::span<const data::ItemIndex>;

Json how_asked(std::span<const CandidateSource> sources, const PoolOptions& pool,
               const LanguageScoreOptions& options, std::int64_t seed) {
  Json retrievers = Json::array();
  for (const CandidateSource& source : sources)
    retrievers.push_back({{"name", source.name}, {"sha256", source.checksum}});
  return {{"ask", options.ask},
          {"prompt", prompt_digest(options.ask == kAskTitles ? prompts::kRecommend
                                                             : prompts::kRecommendRetrieval)},
          {"options", options.to_json()},
          {"best", pool.best},
          {"seed", seed},
          {"retrievers", std::move(retrievers)}};
}

/// Asks one model about one user at a time.
class Asker {
 public:
  Asker(language::EmbeddedModel& model, const Questions& questions,
        const LanguageScoreOptions& options, const AskingContext& context)
      : model_(model), questions_(questions), options_(options), context_(context) {}

  /// What an earlier run found out.
  void know_priors(const ScoredCandidates& scored) {
    for (std::size_t i = 0; i < scored.priors.size(); ++i)
      priors_[scored.items[i]] = scored.priors[i];
  }

  Result<ScoredCandidates> ask(data::UserIndex user, Items history,
                               std::vector<data::ItemIndex> items) {
    ScoredCandidates found{.items = std::move(items), .scores = {}, .priors = {}};
    if (found.items.empty()) return found;
    if (options_.ask == kAskTitles) {
      TRY(found.scores, likelihoods(history, found.items));
      TRY(found.priors, priors(found.items));
    } else {
      TRY(found.scores, choices(user, history, found.items));
    }
    return found;
  }

 private:
  Result<std::vector<float>> likelihoods(Items history, Items items) {
    language::ChoiceRequest request{
        .messages = {}, .prompt = {}, .choices = {}, .stop_token = context_.stop_token};
    TRY(request.messages, questions_.recommend_messages(history, options_.asked));
    for (const data::ItemIndex item : items) request.choices.push_back(questions_.title_line(item));
    TRY(language::ChoiceScores scores, model_.score_choices(request));
    return std::move(scores.logprobs);
  }

  Result<std::vector<float>> priors(Items items) {
    std::vector<data::ItemIndex> unknown;
    for (const data::ItemIndex item : items)
      if (!priors_.contains(item)) unknown.push_back(item);
    if (!unknown.empty()) {
      TRY(const std::vector<float> found, likelihoods({}, unknown));
      for (std::size_t i = 0; i < unknown.size(); ++i) priors_[unknown[i]] = found[i];
    }
    std::vector<float> priors;
    for (const data::ItemIndex item : items) priors.push_back(priors_[item]);
    return priors;
  }

  /// Means over orders by lot.
  Result<std::vector<float>> choices(data::UserIndex user, Items history, Items items) {
    std::vector<float> sums(items.size());
    for (const auto& order : letter_orders(items.size(), options_.orders, context_.seed, user)) {
      std::vector<data::ItemIndex> shown;
      language::ChoiceRequest request{
          .messages = {}, .prompt = {}, .choices = {}, .stop_token = context_.stop_token};
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

  language::EmbeddedModel& model_;
  const Questions& questions_;
  const LanguageScoreOptions& options_;
  const AskingContext& context_;
  std::map<data::ItemIndex, float> priors_;
};

Json to_json(const data::Dataset& dataset, const ScoredCandidates& scored) {
  Json items = Json::array();
  for (const data::ItemIndex item : scored.items) items.push_back(dataset.catalogue().id(item));
  Json json = {{"items", std::move(items)}, {"scores", scored.scores}};
  if (!scored.priors.empty()) json["priors"] = scored.priors;
  return json;
}

/// A member that is an array of finite numbers, as many as `size`.
bool read_numbers(const Json& json, const char* name, std::size_t size, std::vector<float>& into) {
  const Json* numbers = base::member(json, name, &Json::is_array);
  if (numbers == nullptr || numbers->size() != size) return false;
  for (const Json& each : *numbers) {
    if (!each.is_number()) return false;
    into.push_back(each.get<float>());
  }
  return std::ranges::all_of(into, [](float value) { return std::isfinite(value); });
}

/// None where the line is not one that `to_json` made for this data set.
std::optional<ScoredCandidates> read_line(const Json& json, const data::Dataset& dataset) {
  const Json* items = base::member(json, "items", &Json::is_array);
  if (items == nullptr) return std::nullopt;
  ScoredCandidates scored;
  for (const Json& each : *items) {
    const auto item = each.is_string() ? dataset.catalogue().find(each.get<std::string>())
                                       : std::optional<data::ItemIndex>();
    if (!item) return std::nullopt;
    scored.items.push_back(*item);
  }
  const std::size_t size = scored.items.size();
  if (!read_numbers(json, "scores", size, scored.scores)) return std::nullopt;
  if (json.contains("priors") && !read_numbers(json, "priors", size, scored.priors))
    return std::nullopt;
  return scored;
}

/// Lines into `scored`.
AnswerFile::OnLine into(std::map<AskedKey, ScoredCandidates>& scored,
                        const data::Dataset& dataset) {
  return [&](const AskedKey& key, float weight, const Json& json) -> std::string {
    auto line = read_line(json, dataset);
    if (!line) return "these are no scores of items of this data set";
    line->weight = weight;
    scored[key] = *std::move(line);
    return "";
  };
}

std::vector<data::ItemIndex> best_of(const Pool& pool, std::int64_t count) {
  std::vector<data::ItemIndex> items;
  for (const std::size_t place : best_first(pool)) {
    if (items.size() == static_cast<std::size_t>(count)) break;
    items.push_back(pool.items[place]);
  }
  return items;
}

}  // namespace

void LanguageScoreOptions::describe(base::OptionSet& set) {
  set.add("ask", ask, "titles (how likely each is written) or letters (which is chosen)");
  set.add("candidates", candidates, "asked about: the best of the models; letters: at most 52", 1,
          1000);
  set.add("asked", asked, "titles: how many the prompt asks for", 1, 100);
  set.add("orders", orders, "letters: orders of the candidates, averaged", 1, 100);
  set.add("history", question.history, "newest items of it that the language model is shown", 1,
          1000);
  set.add("profile", question.profile,
          "keywords that the history bears out, shown beside it; 0: none", 0, 100);
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

Result<LanguageScores> LanguageScores::open(const std::filesystem::path& path,
                                            const data::Dataset& dataset) {
  LanguageScores scores;
  TRY(scores.about_, AnswerFile::read(path, kKind, dataset, into(scores.scored_, dataset)));
  for (const auto& [key, scored] : scores.scored_)
    if (scores.has_priors() != !scored.priors.empty() && !scored.items.empty())
      return fail(
          ErrorCode::kCorrupt,
          fmt::format("{}: scores of titles come with priors, others without", path.string()));
  return scores;
}

const ScoredCandidates* LanguageScores::find(const AskedKey& key) const {
  const auto found = scored_.find(key);
  return found == scored_.end() ? nullptr : &found->second;
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

Result<Json> score_users(const data::Dataset& dataset, std::span<const CandidateSource> sources,
                         data::Split split, const Lot& users, language::EmbeddedModel& model,
                         const PoolOptions& pool, const LanguageScoreOptions& options,
                         const std::filesystem::path& path, const AskingContext& context) {
  TRY_VOID(options.check());
  const auto start = context.clock.steady();
  TRY(const Questions questions, Questions::create(dataset, model, options.question));
  const Json header = AnswerFile::header(kKind, dataset, &model, context,
                                         how_asked(sources, pool, options, context.seed));
  std::map<AskedKey, ScoredCandidates> answers;
  TRY(AnswerFile file, AnswerFile::begin(path, header, dataset, into(answers, dataset)));
  Asker asker(model, questions, options, context);
  for (const auto& [key, scored] : answers) asker.know_priors(scored);
  const std::vector<AskedUser> wanted = users_to_ask(dataset, split, users);
  const auto ask = [&](std::span<const AskedUser> group) -> Result<std::vector<Json>> {
    std::vector<Json> lines;
    for (const AskedUser& each : group) {
      TRY(const Pool own,
          candidates(sources, {.user = each.user, .history = each.held_out.history}, pool));
      TRY(const ScoredCandidates scored,
          asker.ask(each.user, each.held_out.history, best_of(own, options.candidates)));
      lines.push_back(to_json(dataset, scored));
    }
    return lines;
  };
  TRY(const std::int64_t asked, ask_each(file, wanted, 1, ask, context));

  double weights = 0, candidates_asked = 0, found = 0;
  for (const AskedUser& each : wanted) {
    const ScoredCandidates& own = answers[each.key()];
    const auto weight = static_cast<double>(each.weight);
    weights += weight;
    candidates_asked += weight * static_cast<double>(own.items.size());
    found += holds(own.items, each.held_out.target) ? weight : 0;
  }
  const double seconds = std::chrono::duration<double>(context.clock.steady() - start).count();
  return Json{
      {"users", wanted.size()},
      {"asked", asked},
      {"candidates", weights > 0 ? candidates_asked / weights : 0},
      {"found", weights > 0 ? found / weights : 0},
      {"seconds", seconds},
      {"seconds_per_user", asked > 0 ? Json(seconds / static_cast<double>(asked)) : Json()}};
}

FeatureFamily language_features(const LanguageScores& scores) {
  FeatureFamily family;
  const bool with_prior = scores.has_priors();
  if (with_prior) {
    family.features = {
        {"language_title", "log-probability that the language model writes its title next",
         "how likely the language model writes its title"},
        {"language_lift", "by how much the history makes that more likely",
         "how much likelier the history makes its title"}};
  } else {
    family.features = {{"language_letter",
                        "log-probability that the language model chooses its letter",
                        "how likely the language model chooses it"}};
  }
  family.compute = [&scores, with_prior](const FeatureInput& input,
                                         std::span<float> values) -> Result<void> {
    const ScoredCandidates* own = scores.find({input.user, input.history.size()});
    if (own == nullptr || own->items.empty()) return {};
    const std::size_t columns = with_prior ? 2 : 1;
    std::vector<float> lifts;
    for (std::size_t i = 0; with_prior && i < own->items.size(); ++i)
      lifts.push_back(own->scores[i] - own->priors[i]);
    const float least_score = *std::ranges::min_element(own->scores);
    const float least_lift = with_prior ? *std::ranges::min_element(lifts) : 0;
    std::map<data::ItemIndex, std::size_t> places;
    for (std::size_t i = 0; i < own->items.size(); ++i) places[own->items[i]] = i;
    for (std::size_t i = 0; i < input.pool.size(); ++i) {
      const auto place = places.find(input.pool.items[i]);
      const bool was_asked = place != places.end();
      values[i * columns] = was_asked ? own->scores[place->second] : least_score;
      if (with_prior) values[i * columns + 1] = was_asked ? lifts[place->second] : least_lift;
    }
    return {};
  };
  return family;
}

}  // namespace rapport::palr
