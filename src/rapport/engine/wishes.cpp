#include "rapport/engine/wishes.h"

#include <algorithm>
#include <span>

#include "rapport/base/text.h"
#include "rapport/engine/wish_reader.h"

namespace rapport::engine {
namespace {

using Tokens = std::span<const std::string>;

// How a request begins. A pattern is words, each with alternatives; `?` before one that may be
// missing; N and V are the domain's nouns and verbs. What follows is read as wishes. `open` ones
// say nothing of the domain, so that what follows must.
struct Pattern {
  std::vector<std::string_view> words;
  bool open = false;
};

const std::vector<Pattern>& patterns() {
  static const std::vector<Pattern> table = {
      {{"what|which", "?N", "should|could|can|shall|might", "i|we", "V"}},
      {{"what|which", "N", "should|do|would|can", "you", "recommend|suggest"}},
      {{"what", "do|would|can", "you", "recommend|suggest", "i|we", "V"}},
      {{"what", "is", "?a|?something", "good", "?N", "to", "V"}},
      {{"?can|?could|?would|?will", "?you", "?please", "recommend|suggest"}, true},
      {{"?do", "?you", "?have", "any|some", "?good", "N", "recommendations|suggestions|tips"}},
      {{"?good", "N", "recommendations|suggestions|tips"}},
      {{"give|show|find", "me|us", "?some|?any", "N", "recommendations|suggestions|tips"}},
      {{"give|show|find", "me|us"}, true},
      {{"i|we", "am|are", "looking", "for"}, true},
      {{"i|we", "am|are", "in", "the", "mood", "for"}, true},
      {{"i|we", "want|need"}, true},
      {{"i|we", "would", "like"}, true},
  };
  return table;
}

bool matches_word(std::string_view alternatives, const std::string& token,
                  const WishDomain& domain) {
  while (!alternatives.empty()) {
    const std::size_t bar = std::min(alternatives.find('|'), alternatives.size());
    std::string_view word = alternatives.substr(0, bar);
    if (word.starts_with('?')) word.remove_prefix(1);
    if (word == "N"   ? is_one_of(token, domain.nouns)
        : word == "V" ? is_one_of(token, domain.verbs)
                      : word == token) {
      return true;
    }
    alternatives.remove_prefix(std::min(bar + 1, alternatives.size()));
  }
  return false;
}

// Where the pattern ends; optional words are taken greedily, which no pattern above needs undone.
std::optional<std::size_t> match(const Pattern& pattern, Tokens tokens, const WishDomain& domain) {
  std::size_t i = 0;
  for (const std::string_view word : pattern.words) {
    if (i < tokens.size() && matches_word(word, tokens[i], domain)) {
      ++i;
    } else if (!word.starts_with('?')) {
      return std::nullopt;
    }
  }
  return i;
}

// "a film", "something to watch", "some comedies to watch".
bool names_the_domain(Tokens tokens, const Wishes& wishes, const WishDomain& domain) {
  const auto has = [&](const Words& words) {
    return std::ranges::any_of(tokens, [&](const auto& token) { return is_one_of(token, words); });
  };
  if (has(domain.nouns)) return true;
  return has(domain.verbs) && (has({"something", "anything"}) || !wishes.categories.empty());
}

}  // namespace

Wishes read_wishes(std::string_view text, std::string_view domain, const ServedCatalogue& served) {
  return read_words(read_text(text), 0, find_wish_domain(domain), served);
}

std::optional<Wishes> read_recommendation_request(std::string_view message, std::string_view domain,
                                                  const ServedCatalogue& served) {
  const WishDomain* const known = find_wish_domain(domain);
  message = base::trim(message);
  if (known == nullptr || !may_be_request(message)) return std::nullopt;
  const WishText text = read_text(message);
  static const Words kOpenings = {"hi", "hey",    "hello", "ok",  "okay",
                                  "so", "please", "and",   "well"};
  const auto first =
      std::find_if_not(text.tokens.begin(), text.tokens.end(),
                       [](const auto& token) { return is_one_of(token, kOpenings); });
  const auto opened = static_cast<std::size_t>(first - text.tokens.begin());
  const Tokens tokens = Tokens(text.tokens).subspan(opened);
  for (const Pattern& pattern : patterns()) {
    const auto end = match(pattern, tokens, *known);
    if (!end) continue;
    Wishes wishes = read_words(text, opened + *end, known, served);
    if (!wishes.unread.empty()) continue;
    if (!pattern.open || names_the_domain(tokens.subspan(*end), wishes, *known)) return wishes;
  }
  return std::nullopt;
}

}  // namespace rapport::engine
