#include "rapport/engine/chat_recommendation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/base/text.h"
#include "rapport/engine/wishes.h"

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
  const language::ChatMessage& last = request.generate.messages.back();
  const auto served = recommender.catalogue();
  if (served == nullptr || last.role() != "user") return std::nullopt;
  const auto wishes = read_recommendation_request(last.content(), options.domain, *served);
  if (!wishes) return std::nullopt;

  RecommendationRequest wanted;
  wanted.caller = request.caller;
  wanted.domain = request.domain;
  wanted.degree = request.degree;
  wanted.k = std::min(kOffered, options.max_items);
  const auto names = [&](const std::vector<CategoryIndex>& categories) {
    std::vector<std::string> list;
    for (const CategoryIndex each : categories) {
      list.push_back(served->category_names()[static_cast<std::size_t>(each)]);
    }
    return list;
  };
  wanted.filters.categories = names(wishes->categories);
  wanted.filters.without_categories = names(wishes->without_categories);
  wanted.filters.year_from = wishes->year_from;
  wanted.filters.year_to = wishes->year_to;
  return wanted;
}

std::vector<std::string> in_words(const Recommendation& list) {
  if (list.items.empty()) {
    return {fmt::format("Nothing in the catalogue {} fits that.", list.catalogue)};
  }
  std::vector<std::string> pieces = {"Here is what I would pick for you:\n\n"};
  for (const RecommendedItem& item : list.items) pieces.push_back(line(pieces.size(), item));
  pieces.back().pop_back();  // no line end after the last
  return pieces;
}

}  // namespace rapport::engine
