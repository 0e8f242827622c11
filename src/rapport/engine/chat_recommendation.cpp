#include "rapport/engine/chat_recommendation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/base/text.h"
#include "rapport/engine/conversation_wishes.h"

namespace rapport::engine {
namespace {

constexpr std::int64_t kOffered = 5;
// Of tokens: what a list of five takes. A request that allows less wants something else.
constexpr std::int32_t kLeastTokens = 256;

bool wants_a_model(const ChatRequest& request) {
  const language::GenerateRequest& generate = request.generate;
  return request.n != 1 || !generate.tools.is_null() || generate.logprobs ||
         generate.output.kind != language::OutputKind::kText || !generate.stop.empty() ||
         generate.max_tokens.value_or(kLeastTokens) < kLeastTokens;
}

bool is_english(const std::string& language) {
  const std::string folded = base::fold_case(language);
  return folded.empty() || folded == "english" || folded == "en" || folded.starts_with("en-");
}

std::string line(std::size_t number, const RecommendedItem& item) {
  std::string text = fmt::format("{}. {}", number, title_and_year(item));
  if (!item.categories.empty()) text += fmt::format(": {}", fmt::join(item.categories, ", "));
  if (!item.reasons.empty()) text += fmt::format(". It {}", item.reasons.front().text);
  return text + ".\n";
}

}  // namespace

std::optional<RecommendationRequest> asks_catalogue(const ChatRequest& request,
                                                    const Permit& permit, const Recalled& recalled,
                                                    const Recommender& recommender) {
  const RecommendOptions& options = recommender.options();
  if (!options.chat || !permit.settings() || wants_a_model(request) ||
      !is_english(recalled.preferences.language) || request.generate.messages.empty()) {
    return std::nullopt;
  }
  const auto served = recommender.catalogue();
  if (served == nullptr) return std::nullopt;
  const auto read = read_conversation(request.generate.messages, options.domain, *served);
  if (!read) return std::nullopt;

  RecommendationRequest wanted;
  wanted.caller = request.caller;
  wanted.domain = request.domain;
  wanted.degree = request.degree;
  wanted.k = std::min(kOffered, options.max_items);
  // By their names: another catalogue may be served by the time that the list is made.
  const auto names = [](const auto& indexes, const std::vector<std::string>& all) {
    std::vector<std::string> list;
    for (const auto each : indexes) list.push_back(all[static_cast<std::size_t>(each)]);
    return list;
  };
  const auto ids = [&](const std::vector<data::ItemIndex>& items) {
    std::vector<std::string> list;
    for (const data::ItemIndex item : items) list.emplace_back(served->catalogue().id(item));
    return list;
  };
  const Wishes& wishes = read->wishes;
  RecommendationFilters& filters = wanted.filters;
  filters.categories = names(wishes.categories, served->category_names());
  filters.without_categories = names(wishes.without_categories, served->category_names());
  filters.brands = names(wishes.brands, served->brand_names());
  filters.without_brands = names(wishes.without_brands, served->brand_names());
  filters.year_from = wishes.year_from;
  filters.year_to = wishes.year_to;
  filters.price_from = wishes.price_from;
  filters.price_to = wishes.price_to;
  filters.exclude = ids(read->offered);
  wanted.like = ids(wishes.like);
  for (const Mood& mood : wishes.moods) wanted.mood.push_back(mood.words);
  return wanted;
}

std::vector<std::string> in_words(const Recommendation& list) {
  if (list.items.empty()) {
    return {fmt::format("{}{} fits that.", kNothingFits, list.catalogue)};
  }
  std::vector<std::string> pieces = {fmt::format("{}\n\n", kListOpening)};
  for (const RecommendedItem& item : list.items) pieces.push_back(line(pieces.size(), item));
  pieces.back().pop_back();  // no line end after the last
  return pieces;
}

}  // namespace rapport::engine
