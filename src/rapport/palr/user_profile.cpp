#include "rapport/palr/user_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "rapport/palr/option_json.h"

namespace rapport::palr {
namespace {

using Items = std::span<const data::ItemIndex>;

}  // namespace

void ProfileOptions::describe(base::OptionSet& set) {
  set.add(
      "choose", choose,
      "language (by how much the history makes the model say it) or support (the best supported)");
  set.add("keywords", keywords, "of what lasts, and as many of what is new", 1, 100);
  set.add("offered", offered, "keywords that the language model chooses from", 1, 200);
  set.add("recent", recent, "newest items: what is new", 1, 1000);
  set.add("history", question.history, "newest items of it that the language model is shown", 1,
          1000);
  question.describe(set);
}

Result<void> ProfileOptions::check() const {
  if (choose != "language" && choose != "support")
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("choose is \"{}\": expected language or support", choose), "choose");
  return {};
}

Json ProfileOptions::to_json() const {
  return option_json(*this);
}

std::vector<std::size_t> most_telling(std::span<const PreferenceKeyword> offered,
                                      std::int64_t count) {
  std::vector<std::size_t> order;
  std::vector<data::ItemIndex> covered;
  std::vector<bool> taken(offered.size());
  while (order.size() < std::min(offered.size(), static_cast<std::size_t>(count))) {
    std::optional<std::size_t> best;
    double best_gain = 0;
    for (std::size_t i = 0; i < offered.size(); ++i) {
      if (taken[i]) continue;
      const auto& items = offered[i].evidence;
      const auto fresh = std::ranges::count_if(items, [&](data::ItemIndex item) {
        return std::ranges::find(covered, item) == covered.end();
      });
      // Weights of a choice: e to the lift; half of it is for what is covered already.
      const double gain = offered[i].lift + std::log(0.5 + 0.5 * static_cast<double>(fresh) /
                                                               static_cast<double>(items.size()));
      if (!best || gain > best_gain) {
        best = i;
        best_gain = gain;
      }
    }
    taken[*best] = true;
    order.push_back(*best);
    covered.insert(covered.end(), offered[*best].evidence.begin(), offered[*best].evidence.end());
  }
  return order;
}

Result<Profiler> Profiler::create(const data::Dataset& dataset, const Vocabulary& vocabulary,
                                  language::EmbeddedModel* model, const ProfileOptions& options) {
  TRY_VOID(options.check());
  std::optional<Questions> questions;
  if (options.asks_a_model()) {
    TRY(questions, Questions::create(dataset, *model, options.question));
  }
  return Profiler(vocabulary, model, options, std::move(questions));
}

Result<UserProfile> Profiler::profile(Items history, std::stop_token stop_token) const {
  UserProfile profile;
  TRY(profile.lasting, part(history, stop_token));
  const auto recent = static_cast<std::size_t>(options_.recent);
  if (history.size() > recent) {
    TRY(profile.recent, part(history.last(recent), stop_token));
  }
  return profile;
}

Result<std::vector<PreferenceKeyword>> Profiler::part(Items history,
                                                      std::stop_token stop_token) const {
  if (!options_.asks_a_model()) return supported_keywords(history, *vocabulary_, options_.keywords);
  std::vector<PreferenceKeyword> offered =
      supported_keywords(history, *vocabulary_, options_.offered);
  if (offered.empty()) return offered;
  // Listed by the alphabet: a model likes what it reads first.
  std::ranges::sort(offered, {}, &PreferenceKeyword::keyword);
  TRY(const std::vector<float> with, likelihoods(history, offered, stop_token));
  TRY(const std::vector<float> without, likelihoods({}, offered, stop_token));
  for (std::size_t i = 0; i < offered.size(); ++i)
    offered[i].lift = static_cast<double>(with[i]) - static_cast<double>(without[i]);
  std::vector<PreferenceKeyword> chosen;
  for (const std::size_t i : most_telling(offered, options_.keywords)) chosen.push_back(offered[i]);
  return chosen;
}

Result<std::vector<float>> Profiler::likelihoods(Items history,
                                                 std::span<const PreferenceKeyword> offered,
                                                 std::stop_token stop_token) const {
  std::vector<std::string> keywords;
  for (const PreferenceKeyword& each : offered) keywords.push_back(each.text);
  language::ChoiceRequest request{
      .messages = {}, .prompt = {}, .choices = {}, .stop_token = std::move(stop_token)};
  TRY(request.messages, questions_->profile_messages(history, keywords, options_.keywords));
  for (const std::string& keyword : keywords)
    request.choices.push_back(
        title_line(keyword, static_cast<std::size_t>(options_.question.title_bytes)) + "\n");
  TRY(language::ChoiceScores scores, model_->score_choices(request));
  return std::move(scores.logprobs);
}

}  // namespace rapport::palr
