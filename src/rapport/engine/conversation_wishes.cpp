#include "rapport/engine/conversation_wishes.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "rapport/base/text.h"
#include "rapport/engine/wish_reader.h"

namespace rapport::engine {
namespace {

bool says_anything(const Wishes& wishes) {
  return !wishes.categories.empty() || !wishes.without_categories.empty() ||
         !wishes.brands.empty() || !wishes.without_brands.empty() || wishes.year_from ||
         wishes.year_to || wishes.price_from || wishes.price_to || !wishes.like.empty() ||
         !wishes.moods.empty();
}

struct FollowUp {
  Wishes wishes;
  Compared compared;
};

// "Is it scary?", "This is fun!", "Have you seen it?", "What is the other one about?"
bool asks_about_the_list(const std::vector<std::string>& tokens) {
  const auto token = [&](std::size_t i) { return i < tokens.size() ? tokens[i] : std::string(); };
  static const Words kVerbs = {"is", "are", "was", "were", "does", "do", "did"};
  if (is_one_of(token(0), {"this", "that", "it", "you", "he", "she", "they"})) return true;
  if (is_one_of(token(0), {"how", "what", "which"})) return is_one_of(token(1), kVerbs);
  if (token(0) == "have") return true;
  if (token(0) == "do") return token(1) != "you" || token(2) != "have";
  return is_one_of(token(0), kVerbs) && token(1) != "there";
}

std::optional<FollowUp> read_follow_up(std::string_view message, const WishDomain& domain,
                                       const ServedCatalogue& served) {
  message = base::trim(message);
  if (!may_be_request(message)) return std::nullopt;
  FollowUp read_up;
  const WishText text = read_text(message);
  if (asks_about_the_list(text.tokens)) return std::nullopt;
  read_up.wishes = read_words(text, 0, &domain, served, &read_up.compared);
  const Compared& compared = read_up.compared;
  const bool asks = says_anything(read_up.wishes) || compared.others || compared.older ||
                    compared.newer || compared.cheaper;
  if (!asks || !read_up.wishes.unread.empty()) return std::nullopt;
  return read_up;
}

bool is_our_list(const language::ChatMessage& message) {
  const std::string content = message.content();
  return message.role() == "assistant" &&
         (content.starts_with(kListOpening) || content.starts_with(kNothingFits));
}

// The items of a list as chat_recommendation.cpp writes it: "2. Fargo (1996): Crime, Drama. It …".
// The application sends it back, so that it may be anything.
std::vector<data::ItemIndex> items_of_list(std::string_view content,
                                           const ServedCatalogue& served) {
  constexpr std::size_t kMostBytes = 16'384, kMostOfALine = 1'000, kMostItems = 20, kMostEnds = 8;
  content = content.substr(0, kMostBytes);
  std::vector<data::ItemIndex> items;
  for (std::size_t begin = 0; begin < content.size() && items.size() < kMostItems;) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    std::string_view line = content.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t dot = line.find(". ");
    if (dot == line.npos || !is_number(line.substr(0, dot)) || line.size() > kMostOfALine) continue;
    line.remove_prefix(dot + 2);
    // A title may have what ends it, so the longest that is one counts.
    std::vector<std::size_t> ends = {line.size() - (line.ends_with('.') ? 1 : 0)};
    for (const std::string_view mark : {": ", ". It "}) {
      std::size_t at = line.find(mark);
      for (std::size_t i = 0; i < kMostEnds && at != line.npos; ++i) {
        ends.push_back(at);
        at = line.find(mark, at + 1);
      }
    }
    std::ranges::sort(ends, std::greater{});
    for (const std::size_t at : ends) {
      const auto found = served.find_title(line.substr(0, at));
      if (found.empty()) continue;
      items.insert(items.end(), found.begin(), found.end());
      break;
    }
  }
  return items;
}

template <typename T>
void forget(std::vector<T>& from, const std::vector<T>& what) {
  std::erase_if(from, [&](const T& each) { return std::ranges::find(what, each) != what.end(); });
}

// What is said later replaces what contradicts it. False where it compares with what the list does
// not tell.
bool follow(Wishes& wishes, const FollowUp& later, const std::vector<data::ItemIndex>& list,
            const ServedCatalogue& served) {
  const Wishes& more = later.wishes;
  const auto replace = [](auto& kept, const auto& said) {
    if (!said.empty()) kept = said;
  };
  const auto add = [](auto& kept, const auto& said) {
    kept.insert(kept.end(), said.begin(), said.end());
  };
  replace(wishes.categories, more.categories);
  replace(wishes.brands, more.brands);
  replace(wishes.like, more.like);
  replace(wishes.moods, more.moods);
  forget(wishes.without_categories, more.categories);
  forget(wishes.without_brands, more.brands);
  add(wishes.without_categories, more.without_categories);
  add(wishes.without_brands, more.without_brands);
  forget(wishes.categories, more.without_categories);
  forget(wishes.brands, more.without_brands);
  if (more.year_from || more.year_to) {
    wishes.year_from = more.year_from;
    wishes.year_to = more.year_to;
  }
  if (more.price_from || more.price_to) {
    wishes.price_from = more.price_from;
    wishes.price_to = more.price_to;
  }
  // Than those in the middle of the list.
  std::vector<std::int32_t> years;
  std::vector<double> prices;
  for (const data::ItemIndex item : list) {
    if (const auto year = served.year(item)) years.push_back(*year);
    if (const auto price = served.price(item)) prices.push_back(*price);
  }
  std::ranges::sort(years);
  std::ranges::sort(prices);
  const Compared& compared = later.compared;
  if ((years.empty() && (compared.older || compared.newer)) ||
      (prices.empty() && compared.cheaper)) {
    return false;
  }
  if (compared.older) {
    wishes.year_to = years[years.size() / 2] - 1;
    wishes.year_from.reset();
  }
  if (compared.newer) {
    wishes.year_from = years[years.size() / 2] + 1;
    wishes.year_to.reset();
  }
  if (compared.cheaper) {
    wishes.price_to = std::nextafter(prices[prices.size() / 2], 0.0);
    wishes.price_from.reset();
  }
  return true;
}

}  // namespace

std::optional<ConversationWishes> read_conversation(
    const std::vector<language::ChatMessage>& messages, std::string_view domain,
    const ServedCatalogue& served) {
  constexpr std::size_t kMostFollowUps = 20;
  const WishDomain* const known = find_wish_domain(domain);
  if (known == nullptr || messages.empty()) return std::nullopt;
  struct Step {
    FollowUp follow_up;
    std::size_t list;  // that it follows: its message
  };
  std::vector<Step> newest_first;
  for (std::size_t i = messages.size(); i > 0; i -= 2) {
    const language::ChatMessage& message = messages[i - 1];
    if (message.role() != "user") return std::nullopt;
    const std::string content = message.content();
    if (auto wishes = read_recommendation_request(content, domain, served)) {
      ConversationWishes found{*std::move(wishes), {}};
      for (auto step = newest_first.rbegin(); step != newest_first.rend(); ++step) {
        const auto list = items_of_list(messages[step->list].content(), served);
        if (!follow(found.wishes, step->follow_up, list, served)) return std::nullopt;
        found.offered.insert(found.offered.end(), list.begin(), list.end());
      }
      return found;
    }
    if (i < 3 || newest_first.size() == kMostFollowUps || !is_our_list(messages[i - 2])) {
      return std::nullopt;
    }
    auto read_up = read_follow_up(content, *known, served);
    if (!read_up) return std::nullopt;
    newest_first.push_back({*std::move(read_up), i - 2});
  }
  return std::nullopt;
}

}  // namespace rapport::engine
