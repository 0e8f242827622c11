#include "rapport/engine/wish_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

const std::array<WishDomain, 4>& domains() {
  static const std::array<WishDomain, 4> table{{
      {"films", {"movie", "movies", "film", "films"}, {"watch"}},
      {"books", {"book", "books", "novel", "novels"}, {"read"}},
      {"music", {"song", "songs", "album", "albums", "music"}, {"hear"}},
      {"products", {"product", "products"}, {"buy"}},
  }};
  return table;
}

constexpr std::array<std::string_view, 4> kCurrencies = {"$", "€", "£", "¥"};

bool is_currency_word(std::string_view folded) {
  static const Words kWords = {"dollar", "dollars", "bucks", "euro",
                               "euros",  "pounds",  "usd",   "eur"};
  return is_one_of(folded, kWords);
}

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool is_one_of(std::string_view word, const Words& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == word.npos;
}

const WishDomain* find_wish_domain(std::string_view name) {
  for (const WishDomain& domain : domains()) {
    if (domain.name == name) return &domain;
  }
  return nullptr;
}

std::vector<std::string> recommendation_domains() {
  std::vector<std::string> names;
  for (const WishDomain& domain : domains()) names.emplace_back(domain.name);
  return names;
}

WishText read_text(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kOpened[] = {
      {"what's", "is"},  {"i'm", "am"},    {"we're", "are"}, {"i'd", "would"},
      {"we'd", "would"}, {"i've", "have"}, {"we've", "have"}};
  WishText result;
  const std::vector<std::string_view> words = base::words(text);
  const auto begin_of = [&](std::size_t i) {
    return static_cast<std::size_t>(words[i].data() - text.data());
  };
  std::size_t end_before = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string folded = base::fold_case(words[i]);
    const bool after_comma =
        text.substr(end_before, begin_of(i) - end_before).find(',') != std::string_view::npos;
    result.after_comma.push_back(after_comma);
    end_before = begin_of(i) + words[i].size();
    if (is_number(words[i])) {
      std::string sum(words[i]);
      std::size_t end = begin_of(i) + words[i].size();
      const bool has_cents = i + 1 < words.size() && begin_of(i + 1) == end + 1 &&
                             text[end] == '.' && is_number(words[i + 1]);
      if (has_cents) {
        sum += "." + std::string(words[++i]);
        end += 1 + words[i].size();
      }
      std::string_view before = text.substr(0, begin_of(has_cents ? i - 1 : i));
      if (before.ends_with('.') && !has_cents) {  // "$.99"
        before.remove_suffix(1);
        sum.insert(0, "0.");
      }
      end_before = end;
      const bool is_money = std::ranges::any_of(kCurrencies, [&](std::string_view sign) {
        return before.ends_with(sign) || text.substr(end).starts_with(sign);
      });
      const bool has_word = i + 1 < words.size() && is_currency_word(base::fold_case(words[i + 1]));
      result.tokens.push_back((is_money || has_word || has_cents ? "$" : "") + sum);
      result.written.push_back(sum);
      if (has_word) ++i;
      continue;
    }
    // The apostrophe that phones type.
    for (std::size_t at; (at = folded.find("\u2019")) != std::string::npos;) {
      folded.replace(at, std::string_view("\u2019").size(), "'");
    }
    const auto opened = std::find_if(std::begin(kOpened), std::end(kOpened),
                                     [&](const auto& each) { return each.first == folded; });
    if (opened != std::end(kOpened)) {
      result.tokens.push_back(folded.substr(0, folded.find('\'')));
      result.written.emplace_back(words[i]);
      result.after_comma.push_back(false);
      folded = std::string(opened->second);
    }
    result.tokens.push_back(std::move(folded));
    result.written.emplace_back(words[i]);
  }
  return result;
}

bool may_be_request(std::string_view message) {
  constexpr std::size_t kMaxBytes = 200;
  if (message.size() > kMaxBytes) return false;
  const std::size_t end = message.find_first_of(".!?");
  const std::string_view after =
      end == std::string_view::npos ? std::string_view{} : message.substr(end);
  return after.find_first_not_of(".!? ") == std::string_view::npos &&
         message.find_first_of("\"\n:;`*#<>()[]{}/\\") == std::string_view::npos;
}

std::optional<Years> years_of(std::string_view token) {
  if (!token.empty() && token.back() == 's') {
    token.remove_suffix(1);
    const auto decade = number(token);
    if (!decade || *decade % 10 != 0) return std::nullopt;
    if (token.size() == 4) return Years{*decade, *decade + 9};
    if (token.size() != 2) return std::nullopt;
    const std::int32_t from = *decade + (*decade < 30 ? 2000 : 1900);
    return Years{from, from + 9};
  }
  const auto year = token.size() == 4 ? number(token) : std::nullopt;
  if (!year || *year < 1000) return std::nullopt;
  return Years{*year, *year};
}

std::optional<double> sum_of(std::string_view token) {
  if (token.starts_with('$')) token.remove_prefix(1);
  if (token.empty() || token.find_first_not_of("0123456789.") != token.npos) return std::nullopt;
  double value = 0;
  const auto [end, fault] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (fault != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return value;
}

}  // namespace rapport::engine
