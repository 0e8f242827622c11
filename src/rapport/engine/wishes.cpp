#include "rapport/engine/wishes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

using Tokens = std::span<const std::string>;
using Words = std::vector<std::string_view>;

// How each kind of thing is called and used. A verb stands alone in "what should I watch", so "see"
// is none of films': "what should I see in Paris?" is another question.
struct Domain {
  std::string_view name;
  Words nouns;
  Words verbs;
};

const std::array<Domain, 4>& domains() {
  static const std::array<Domain, 4> table{{
      {"films", {"movie", "movies", "film", "films"}, {"watch"}},
      {"books", {"book", "books", "novel", "novels"}, {"read"}},
      {"music", {"song", "songs", "album", "albums", "music"}, {"hear"}},
      {"products", {"product", "products"}, {"buy"}},
  }};
  return table;
}

const Domain* find_domain(std::string_view name) {
  for (const Domain& domain : domains()) {
    if (domain.name == name) return &domain;
  }
  return nullptr;
}

bool is_one_of(std::string_view word, const Words& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// Words that a wish may have and that ask for nothing the catalogue could tell.
bool asks_nothing(std::string_view word) {
  static const Words kWords = {
      "a",      "an",      "the",    "some",    "any",   "something", "anything", "one",   "good",
      "great",  "nice",    "please", "me",      "us",    "i",         "we",       "to",    "for",
      "with",   "and",     "or",     "but",     "that",  "is",        "tonight",  "today", "now",
      "next",   "later",   "this",   "evening", "night", "weekend",   "week",     "my",    "our",
      "family", "friends", "kids",   "partner", "wife",  "husband",   "maybe",    "want",  "like"};
  return is_one_of(word, kWords);
}

bool negates(std::string_view word) {
  static const Words kWords = {"no", "not", "without", "nor", "except", "avoid"};
  return is_one_of(word, kWords);
}

// The tokens of a text: folded words, contractions opened.
struct Text {
  std::vector<std::string> tokens;
  std::vector<std::string> written;  // the same as they came
};

Text read(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kOpened[] = {
      {"what's", "is"}, {"i'm", "am"}, {"we're", "are"}, {"i'd", "would"}, {"we'd", "would"}};
  Text result;
  for (const std::string_view word : base::words(text)) {
    std::string folded = base::fold_case(word);
    // The apostrophe that phones type.
    for (std::size_t at; (at = folded.find("\u2019")) != std::string::npos;) {
      folded.replace(at, std::string_view("\u2019").size(), "'");
    }
    const auto opened = std::find_if(std::begin(kOpened), std::end(kOpened),
                                     [&](const auto& each) { return each.first == folded; });
    if (opened != std::end(kOpened)) {
      result.tokens.push_back(folded.substr(0, folded.find('\'')));
      result.written.emplace_back(word);
      folded = std::string(opened->second);
    }
    result.tokens.push_back(std::move(folded));
    result.written.emplace_back(word);
  }
  return result;
}

struct Years {
  std::int32_t from = 0;
  std::int32_t to = 0;
};

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "1994", "1980s", "80s". Two digits below 30 are of this century.
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

class Reader {
 public:
  Reader(const Text& text, const Domain* domain, const ServedCatalogue& served)
      : text_(text), domain_(domain), served_(served) {}

  Wishes read(std::size_t from) {
    for (std::size_t i = from; i < text_.tokens.size();) {
      const std::size_t taken = take(i);
      if (taken == 0) wishes_.unread.push_back(text_.written[i]);
      i += std::max<std::size_t>(taken, 1);
    }
    return std::move(wishes_);
  }

 private:
  const std::string& token(std::size_t i) const {
    static const std::string kNone;
    return i < text_.tokens.size() ? text_.tokens[i] : kNone;
  }

  // How many tokens were understood from `i` on.
  std::size_t take(std::size_t i) {
    if (negates(token(i))) {
      // What is negated must follow: "not bad" is no wish that we could keep.
      const std::size_t skipped = token(i + 1) == "any" ? 2 : 1;
      const std::size_t taken = category(i + skipped, wishes_.without_categories);
      if (taken == 0) return 0;
      return skipped + taken + more_negated(i + skipped + taken);
    }
    if (const std::size_t taken = time(i); taken > 0) return taken;
    // "after 1990 or before 1960", "comedies or the 80s": no years that hold for the whole list.
    if (token(i) == "or" && begins_time(i + 1)) return 0;
    if (const std::size_t taken = category(i, wishes_.categories); taken > 0) return taken;
    if (domain_ != nullptr &&
        (is_one_of(token(i), domain_->nouns) || is_one_of(token(i), domain_->verbs))) {
      return 1;
    }
    return asks_nothing(token(i)) ? 1 : 0;
  }

  // "no horror or musicals", "no horror and musicals": neither.
  std::size_t more_negated(std::size_t i) {
    if (token(i) != "or" && token(i) != "and") return 0;
    const std::size_t taken = category(i + 1, wishes_.without_categories);
    return taken == 0 ? 0 : 1 + taken + more_negated(i + 1 + taken);
  }

  // The longest name first: "film noir" is no film.
  std::size_t category(std::size_t i, std::vector<CategoryIndex>& into) {
    for (std::size_t length =
             std::min<std::size_t>(3, text_.tokens.size() - std::min(i, text_.tokens.size()));
         length > 0; --length) {
      std::string words;
      for (std::size_t j = i; j < i + length; ++j) words += token(j);
      const auto found = served_.find_category(words);
      if (!found) continue;
      into.push_back(*found);
      return length;
    }
    return 0;
  }

  bool begins_time(std::size_t i) const {
    static const Words kWords = {"before", "after", "since",   "from", "in",
                                 "of",     "older", "between", "newer"};
    return is_one_of(token(i), kWords) || years_of(token(token(i) == "the" ? i + 1 : i));
  }

  std::size_t time(std::size_t i) {
    if (const auto years = years_of(token(i))) return within(*years, i, 1);
    const std::size_t the = token(i + 1) == "the" ? 1 : 0;
    const auto years = years_of(token(i + 1 + the));
    if (token(i) == "between" && years && token(i + 2 + the) == "and") {
      const auto to = years_of(token(i + 3 + the));
      return to ? keep(years->from, to->to, 4 + the) : 0;
    }
    if ((token(i) == "older" || token(i) == "newer") && token(i + 1) == "than") {
      const auto year = years_of(token(i + 2));
      if (!year) return 0;
      return token(i) == "older" ? keep({}, year->from - 1, 3) : keep(year->to + 1, {}, 3);
    }
    if (!years) return 0;
    if (token(i) == "before") return keep({}, years->from - 1, 2 + the);
    if (token(i) == "after") return keep(years->to + 1, {}, 2 + the);
    if (token(i) == "since") return keep(years->from, {}, 2 + the);
    if (token(i) == "from" || token(i) == "in" || token(i) == "of") {
      return within(*years, i, 2 + the);
    }
    return 0;
  }

  // `taken` tokens from `i` on were read as years. "or the 90s" after them: both, where no year
  // lies between them.
  std::size_t within(Years years, std::size_t i, std::size_t taken) {
    while (token(i + taken) == "or" || token(i + taken) == "and") {
      const std::size_t the = token(i + taken + 1) == "the" ? 1 : 0;
      const auto more = years_of(token(i + taken + 1 + the));
      if (!more) break;
      if (more->from > years.to + 1 || more->to < years.from - 1) return 0;
      years = {std::min(years.from, more->from), std::max(years.to, more->to)};
      taken += 2 + the;
    }
    return keep(years.from, years.to, taken);
  }

  // Narrows what was read before. What leaves no year ("from the 60s … from the 90s") is no wish
  // that we could keep.
  std::size_t keep(std::optional<std::int32_t> from, std::optional<std::int32_t> to,
                   std::size_t taken) {
    from = std::max(from, wishes_.year_from);  // none is less than any
    if (wishes_.year_to && (!to || *wishes_.year_to < *to)) to = wishes_.year_to;
    if (from && to && *from > *to) return 0;
    wishes_.year_from = from;
    wishes_.year_to = to;
    return taken;
  }

  const Text& text_;
  const Domain* domain_;
  const ServedCatalogue& served_;
  Wishes wishes_;
};

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

bool matches_word(std::string_view alternatives, const std::string& token, const Domain& domain) {
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
std::optional<std::size_t> match(const Pattern& pattern, Tokens tokens, const Domain& domain) {
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
bool names_the_domain(Tokens tokens, const Wishes& wishes, const Domain& domain) {
  const auto has = [&](const Words& words) {
    return std::ranges::any_of(tokens, [&](const auto& token) { return is_one_of(token, words); });
  };
  if (has(domain.nouns)) return true;
  return has(domain.verbs) && (has({"something", "anything"}) || !wishes.categories.empty());
}

// One sentence of few words; a quotation, a list or a form is about something else.
bool may_be_request(std::string_view message) {
  constexpr std::size_t kMaxBytes = 200;
  if (message.size() > kMaxBytes) return false;
  const std::size_t end = message.find_first_of(".!?");
  const std::string_view after =
      end == std::string_view::npos ? std::string_view{} : message.substr(end);
  return after.find_first_not_of(".!? ") == std::string_view::npos &&
         message.find_first_of("\"\n:;`*#<>()[]{}/\\") == std::string_view::npos;
}

}  // namespace

Wishes read_wishes(std::string_view text, std::string_view domain, const ServedCatalogue& served) {
  return Reader(read(text), find_domain(domain), served).read(0);
}

std::optional<Wishes> read_recommendation_request(std::string_view message, std::string_view domain,
                                                  const ServedCatalogue& served) {
  const Domain* const known = find_domain(domain);
  message = base::trim(message);
  if (known == nullptr || !may_be_request(message)) return std::nullopt;
  Text text = read(message);
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
    Wishes wishes = Reader(text, known, served).read(opened + *end);
    if (!wishes.unread.empty()) continue;
    if (!pattern.open || names_the_domain(tokens.subspan(*end), wishes, *known)) return wishes;
  }
  return std::nullopt;
}

std::vector<std::string> recommendation_domains() {
  std::vector<std::string> names;
  for (const Domain& domain : domains()) names.emplace_back(domain.name);
  return names;
}

}  // namespace rapport::engine
