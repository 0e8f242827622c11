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

namespace rapport::palr {
namespace {

constexpr const char* kKind = "scores";

Json how_asked(std::span<const CandidateSource> sources, const PoolOptions& pool,
               const LanguageScoreOptions& options, std::int64_t seed) {
  Json retrievers = Json::array();
  for (const CandidateSource& source : sources)
    retrievers.push_back({{"name", source.name}, {"sha256", source.checksum}});
  return {{"ask", options.ask},
          {"prompt", asked_prompt(options)},
          {"options", options.to_json()},
          {"best", pool.best},
          {"seed", seed},
          {"retrievers", std::move(retrievers)}};
}

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

/// In the order of their columns.
std::vector<Feature> features_of(bool with_prior) {
  if (!with_prior)
    return {{"language_letter", "log-probability that the language model chooses its letter",
             "how likely the language model chooses it"}};
  return {{"language_title", "log-probability that the language model writes its title next",
           "how likely the language model writes its title"},
          {"language_lift", "by how much the history makes that more likely",
           "how much likelier the history makes its title"}};
}

void fill(const ScoredCandidates& own, const Pool& pool, std::span<float> values) {
  if (own.items.empty()) return;
  const bool with_prior = !own.priors.empty();
  const std::size_t columns = with_prior ? 2 : 1;
  std::vector<float> lifts;
  for (std::size_t i = 0; with_prior && i < own.items.size(); ++i)
    lifts.push_back(own.scores[i] - own.priors[i]);
  const float least_score = *std::ranges::min_element(own.scores);
  const float least_lift = with_prior ? *std::ranges::min_element(lifts) : 0;
  std::map<data::ItemIndex, std::size_t> places;
  for (std::size_t i = 0; i < own.items.size(); ++i) places[own.items[i]] = i;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const auto place = places.find(pool.items[i]);
    const bool was_asked = place != places.end();
    values[i * columns] = was_asked ? own.scores[place->second] : least_score;
    if (with_prior) values[i * columns + 1] = was_asked ? lifts[place->second] : least_lift;
  }
}

}  // namespace

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

Result<Json> score_users(const data::Dataset& dataset, std::span<const CandidateSource> sources,
                         data::Split split, const Lot& users, language::EmbeddedModel& model,
                         const PoolOptions& pool, const LanguageScoreOptions& options,
                         const std::filesystem::path& path, const AskingContext& context) {
  const auto start = context.clock.steady();
  TRY(const auto asker, CandidateAsker::create(dataset, model, options, context.seed));
  const Json header = AnswerFile::header(kKind, dataset, &model, context,
                                         how_asked(sources, pool, options, context.seed));
  std::map<AskedKey, ScoredCandidates> answers;
  TRY(AnswerFile file, AnswerFile::begin(path, header, dataset, into(answers, dataset)));
  for (const auto& [key, scored] : answers) asker->know_priors(scored);
  const std::vector<AskedUser> wanted = users_to_ask(dataset, split, users);
  const auto ask = [&](std::span<const AskedUser> group) -> Result<std::vector<Json>> {
    std::vector<Json> lines;
    for (const AskedUser& each : group) {
      TRY(const Pool own,
          candidates(sources, {.user = each.user, .history = each.held_out.history}, pool));
      TRY(const ScoredCandidates scored,
          asker->ask(each.user, each.held_out.history, asker->asked_of(own), context.stop_token));
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
  FeatureFamily family{.features = features_of(scores.has_priors()), .compute = {}};
  family.compute = [&scores](const FeatureInput& input, std::span<float> values) -> Result<void> {
    if (const ScoredCandidates* own = scores.find({input.user, input.history.size()}))
      fill(*own, input.pool, values);
    return {};
  };
  return family;
}

FeatureFamily language_features(std::shared_ptr<CandidateAsker> asker) {
  FeatureFamily family{.features = features_of(asker->options().asks_titles()), .compute = {}};
  family.compute = [asker = std::move(asker)](const FeatureInput& input,
                                              std::span<float> values) -> Result<void> {
    TRY(const ScoredCandidates scored,
        asker->ask(input.user, input.history, asker->asked_of(input.pool), input.stop_token));
    fill(scored, input.pool, values);
    return {};
  };
  return family;
}

}  // namespace rapport::palr
