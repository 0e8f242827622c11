// A wish as words: what wishes.h and conversation_wishes.h read.
//
//   const WishText text = read_text("nail polish under $20");     // … "under", "$20"
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport::engine {

using Words = std::vector<std::string_view>;
bool is_one_of(std::string_view word, const Words& words);
/// Digits alone.
bool is_number(std::string_view word);

/// How each kind of thing is called and used. A verb stands alone in "what should I watch", so
/// "see" is none of films': "what should I see in Paris?" is another question.
struct WishDomain {
  std::string_view name;
  Words nouns;
  Words verbs;
};
/// Null for a name that is none; RecommendOptions::domain has one.
const WishDomain* find_wish_domain(std::string_view name);
/// The names of all.
std::vector<std::string> recommendation_domains();

/// The tokens of a text: folded words, contractions opened, sums of money with a sign in front
/// ("$19.99", whatever the currency).
struct WishText {
  std::vector<std::string> tokens;
  std::vector<std::string> written;  // the same as they came
  std::vector<bool> after_comma;     // whether one stands before it
};
WishText read_text(std::string_view text);

/// One sentence of few words; a quotation, a list or a form is about something else.
bool may_be_request(std::string_view message);

struct Years {
  std::int32_t from = 0;
  std::int32_t to = 0;
};
/// "1994", "1980s", "80s". Two digits below 30 are of this century.
std::optional<Years> years_of(std::string_view token);
/// "$19.99", or a plain number where a sum is expected.
std::optional<double> sum_of(std::string_view token);

}  // namespace rapport::engine
