#include "rapport/engine/wishes.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <functional>
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
      "a",       "an",      "the",    "some",    "any",   "something", "anything", "one",   "good",
      "great",   "nice",    "please", "me",      "us",    "i",         "we",       "to",    "for",
      "with",    "and",     "or",     "but",     "that",  "is",        "tonight",  "today", "now",
      "next",    "later",   "this",   "evening", "night", "weekend",   "week",     "my",    "our",
      "friends", "partner", "wife",   "husband", "maybe", "want",      "like"};
  return is_one_of(word, kWords);
}

bool negates(std::string_view word) {
  static const Words kWords = {"no", "not", "without", "nor", "except", "avoid"};
  return is_one_of(word, kWords);
}

// The tokens of a text: folded words, contractions opened, sums of money with a sign in front
// ("$19.99", whatever the currency).
struct Text {
  std::vector<std::string> tokens;
  std::vector<std::string> written;  // the same as they came
  std::vector<bool> after_comma;     // whether one stands before it
};

constexpr std::array<std::string_view, 4> kCurrencies = {"$", "€", "£", "¥"};

bool is_number(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == word.npos;
}

bool is_currency_word(std::string_view folded) {
  static const Words kWords = {"dollar", "dollars", "bucks", "euro",
                               "euros",  "pounds",  "usd",   "eur"};
  return is_one_of(folded, kWords);
}

Text read(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kOpened[] = {
      {"what's", "is"},  {"i'm", "am"},    {"we're", "are"}, {"i'd", "would"},
      {"we'd", "would"}, {"i've", "have"}, {"we've", "have"}};
  Text result;
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

// "$19.99", or a plain number where a sum is expected.
std::optional<double> sum_of(std::string_view token) {
  if (token.starts_with('$')) token.remove_prefix(1);
  if (token.empty() || token.find_first_not_of("0123456789.") != token.npos) return std::nullopt;
  double value = 0;
  const auto [end, fault] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (fault != std::errc() || end != token.data() + token.size()) return std::nullopt;
  return value;
}

// What a follow-up says by comparison with the list before it.
struct Compared {
  bool others = false;  // "anything else?"
  bool older = false;   // "older ones"
  bool newer = false;
  bool cheaper = false;
};

class Reader {
 public:
  // With `compared` the text follows up a list.
  Reader(const Text& text, const Domain* domain, const ServedCatalogue& served,
         Compared* compared = nullptr)
      : text_(text), domain_(domain), served_(served), compared_(compared) {}

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
    // "no more than $20" is no negation.
    if (const std::size_t taken = price(i); taken > 0) return taken;
    if (negates(token(i))) return negated(i);
    // "Anything but horror".
    if (is_one_of(token(i), {"anything", "any", "all", "everything"}) && token(i + 1) == "but" &&
        !negates(token(i + 2))) {
      const std::size_t taken = unwanted(i + 2);
      return taken > 0 ? 2 + taken + more_negated(i + 2 + taken) : 0;
    }
    if (const std::size_t taken = time(i); taken > 0) return taken;
    // "after 1990 or before 1960", "comedies or the 80s": no years that hold for the whole list.
    if (token(i) == "or" && begins_time(i + 1)) return 0;
    if (const std::size_t taken = mood(i); taken > 0) return taken;
    if (is_one_of(token(i), {"kids", "kid", "family"})) {
      auto mood = find_mood("family-friendly", served_);
      if (!mood) return 0;
      wishes_.moods.push_back(*std::move(mood));
      return 1;
    }
    if (const std::size_t taken = category(i, wishes_.categories); taken > 0) return taken;
    if (const std::size_t taken = brand(i, wishes_.brands, /*shortest=*/2); taken > 0) return taken;
    if (const std::size_t taken = alike(i); taken > 0) return taken;
    if (const std::size_t taken = comparison(i); taken > 0) return taken;
    if (domain_ != nullptr &&
        (is_one_of(token(i), domain_->nouns) || is_one_of(token(i), domain_->verbs))) {
      return 1;
    }
    if (token(i) == "by" || token(i) == "from" || token(i) == "brand") {
      const std::size_t taken = brand(i + 1, wishes_.brands);
      if (taken > 0) return 1 + taken;
    }
    if (asks_nothing(token(i)) || (compared_ != nullptr && leads_on(i))) return 1;
    // "Something fresh" is of no brand called Fresh.
    return is_name(i) ? brand(i, wishes_.brands) : 0;
  }

  // Written with a capital letter.
  bool is_name(std::size_t i) const {
    return base::fold_case(text_.written[i]) != text_.written[i];
  }

  // What is negated must follow: "not bad" is no wish that we could keep.
  std::size_t negated(std::size_t i) {
    if (token(i) == "not" && token(i + 1) == "too") {  // "not too scary"
      const std::size_t taken = less(i + 2);
      return taken > 0 ? 2 + taken : 0;
    }
    const std::size_t skipped = is_one_of(token(i + 1), {"any", "more"}) ? 2 : 1;
    const std::size_t taken = unwanted(i + skipped);
    if (taken > 0) return skipped + taken + more_negated(i + skipped + taken);
    // "No, something lighter", but not "no more, thanks".
    return compared_ != nullptr && i == 0 && token(i) == "no" && skipped == 1 ? 1 : 0;
  }

  std::size_t unwanted(std::size_t i) {
    const std::size_t taken = category(i, wishes_.without_categories);
    return taken > 0 ? taken : brand(i, wishes_.without_brands);
  }

  // "no horror films or musicals", "no horror and musicals", "no horror, war or crime": none of
  // them. "No horror, comedies" may mean either, so that it is not read.
  std::size_t more_negated(std::size_t i) {
    std::size_t at = i;
    if (domain_ != nullptr && is_one_of(token(at), domain_->nouns)) ++at;
    const bool listed = at < text_.tokens.size() && text_.after_comma[at] && name_at(at) > 0;
    if (listed && !ends_in_a_list(at)) {
      wishes_.unread.push_back(text_.written[at]);
      return at - i + name_at(at);
    }
    if (!listed) {
      if (!is_one_of(token(at), {"or", "and", "nor"})) return at - i;
      ++at;
      if (is_one_of(token(at), {"any", "no"})) ++at;
    }
    const std::size_t taken = unwanted(at);
    if (taken == 0) return 0;
    at += taken;
    return at - i + more_negated(at);
  }
  // Names behind commas, and at last one behind "or", "and" or "nor".
  bool ends_in_a_list(std::size_t i) const {
    while (const std::size_t length = name_at(i)) {
      i += length;
      if (is_one_of(token(i), {"or", "and", "nor"})) return name_at(i + 1) > 0;
      if (i >= text_.tokens.size() || !text_.after_comma[i]) return false;
    }
    return false;
  }
  // How many tokens are a category or a brand.
  std::size_t name_at(std::size_t i) const {
    std::vector<CategoryIndex> category;
    std::vector<BrandIndex> brand;
    const std::size_t length = named(
        i, 1, 3, category, [&](const std::string& words) { return served_.find_category(words); });
    if (length > 0) return length;
    return named(i, 1, 4, brand,
                 [&](const std::string& words) { return served_.find_brand(words); });
  }

  // The longest name first: "film noir" is no film. `find` is told words side by side.
  template <typename Index, typename Find>
  std::size_t named(std::size_t i, std::size_t shortest, std::size_t longest,
                    std::vector<Index>& into, Find find) const {
    for (std::size_t length =
             std::min<std::size_t>(longest, text_.tokens.size() - std::min(i, text_.tokens.size()));
         length >= shortest && length > 0; --length) {
      std::string words;
      for (std::size_t j = i; j < i + length; ++j) words += token(j);
      const auto found = find(words);
      if (!found) continue;
      if (std::ranges::find(into, *found) == into.end()) into.push_back(*found);
      return length;
    }
    return 0;
  }
  std::size_t category(std::size_t i, std::vector<CategoryIndex>& into) {
    return named(i, 1, 3, into,
                 [&](const std::string& words) { return served_.find_category(words); });
  }
  std::size_t brand(std::size_t i, std::vector<BrandIndex>& into, std::size_t shortest = 1) {
    return named(i, shortest, 4, into,
                 [&](const std::string& words) { return served_.find_brand(words); });
  }

  // "something lighter", "a bit more exciting", "less dark".
  std::size_t mood(std::size_t i) {
    std::size_t skipped = 0;
    while (is_one_of(token(i + skipped),
                     {"more", "very", "really", "quite", "bit", "little", "rather", "much"})) {
      ++skipped;
    }
    if (token(i + skipped) == "less") {
      const std::size_t taken = less(i + skipped + 1);
      return taken > 0 ? skipped + 1 + taken : 0;
    }
    auto found = find_mood(token(i + skipped), served_);
    if (!found) return 0;
    wishes_.moods.push_back(*std::move(found));
    return skipped + 1;
  }
  std::size_t less(std::size_t i) {
    if (token(i).empty()) return 0;
    auto found = find_mood("less " + token(i), served_);
    if (!found) return 0;
    wishes_.moods.push_back(*std::move(found));
    return 1;
  }

  // "like Fargo", "similar to Star Wars and Alien".
  std::size_t alike(std::size_t i) {
    std::size_t at = i;
    if (token(i) == "like") {
      at = i + 1;
    } else if (token(i) == "similar" && token(i + 1) == "to") {
      at = i + 2;
    } else {
      return 0;
    }
    std::size_t taken = title(at);
    if (taken == 0 && years_of(token(at))) {  // "like 1984": no year is meant
      wishes_.unread.push_back(text_.written[at]);
      return at - i + 1;
    }
    if (taken == 0) return 0;
    at += taken;
    while ((token(at) == "or" || token(at) == "and") && (taken = title(at + 1)) > 0)
      at += 1 + taken;
    return at - i;
  }
  std::size_t title(std::size_t i) {
    constexpr std::size_t kLongest = 16;  // words
    for (std::size_t length =
             std::min(kLongest, text_.tokens.size() - std::min(i, text_.tokens.size()));
         length > 0; --length) {
      std::string words;
      bool is_name = length > 1;  // "something like it" means no film called It
      for (std::size_t j = i; j < i + length; ++j) {
        const std::string& word = text_.written[j];
        words += (j == i ? "" : " ") + word;
        is_name = is_name || base::fold_case(word) != word || is_number(word);
      }
      const auto found = served_.find_title(words);
      if (!is_name || found.empty()) continue;
      wishes_.like.push_back(found.front());
      return length;
    }
    return 0;
  }

  // Of a follow-up: "older ones", "anything else?".
  std::size_t comparison(std::size_t i) {
    if (compared_ == nullptr) return 0;
    const bool seen = token(i) == "seen" && i >= 2 && token(i - 1) == "have" &&
                      is_one_of(token(i - 2), {"i", "we"});
    if (seen || is_one_of(token(i), {"more", "else", "another", "other", "others", "different"})) {
      compared_->others = true;
    } else if (token(i) == "older") {
      compared_->older = true;
    } else if (token(i) == "newer") {
      compared_->newer = true;
    } else if (token(i) == "cheaper" && served_.has_prices()) {
      compared_->cheaper = true;
    } else {
      return 0;
    }
    return 1;
  }
  // What a follow-up may have besides.
  bool leads_on(std::size_t i) const {
    static const Words kWords = {"how",   "what",     "about",  "make",    "it",        "them",
                                 "these", "those",    "ones",   "instead", "okay",      "ok",
                                 "hm",    "hmm",      "then",   "well",    "can",       "could",
                                 "you",   "would",    "have",   "show",    "give",      "find",
                                 "got",   "are",      "there",  "just",    "only",      "prefer",
                                 "of",    "actually", "thanks", "thank",   "recommend", "suggest"};
    if (token(i) == "do") return token(i + 1) == "you";  // "what else can you do?" is no wish
    return is_one_of(token(i), kWords);
  }

  // "under $20", "cheaper than 20", "between 10 and 20 dollars", "$20 or less". Where the sum might
  // be a year it must be money.
  std::size_t price(std::size_t i) {
    if (!served_.has_prices()) return 0;
    const auto is_money = [&](std::size_t at) { return token(at).starts_with('$'); };
    const auto sum = [&](std::size_t at) -> std::optional<double> {
      return years_of(token(at)) ? std::nullopt : sum_of(token(at));
    };
    // A number without a currency is a price where nothing is counted by it: "under 20, please",
    // not "at least 3 lotions" or "over 50".
    const auto stands_alone = [&](std::size_t at) {
      return at >= text_.tokens.size() || text_.after_comma[at] ||
             is_one_of(token(at), {"and", "or", "but", "please"});
    };
    struct Phrase {
      Words words;
      bool most;  // what follows is the most, not the least
    };
    static const std::vector<Phrase> kPhrases = {{{"not", "more", "than"}, true},
                                                 {{"not", "over"}, true},
                                                 {{"no", "more", "than"}, true},
                                                 {{"cheaper", "than"}, true},
                                                 {{"less", "than"}, true},
                                                 {{"more", "than"}, false},
                                                 {{"at", "most"}, true},
                                                 {{"at", "least"}, false},
                                                 {{"up", "to"}, true},
                                                 {{"under"}, true},
                                                 {{"below"}, true},
                                                 {{"max"}, true},
                                                 {{"maximum"}, true},
                                                 {{"over"}, false},
                                                 {{"above"}, false}};
    for (const Phrase& phrase : kPhrases) {
      bool matches = true;
      for (std::size_t j = 0; j < phrase.words.size(); ++j)
        matches = matches && token(i + j) == phrase.words[j];
      const std::size_t at = i + phrase.words.size();
      const auto bound = matches ? sum(at) : std::nullopt;
      if (bound && (is_money(at) || (phrase.most && stands_alone(at + 1))))
        return keep_price(phrase.most ? std::nullopt : bound, phrase.most ? bound : std::nullopt,
                          phrase.words.size() + 1);
    }
    if (token(i) == "between" && token(i + 2) == "and" && sum(i + 1) && sum(i + 3) &&
        (is_money(i + 1) || is_money(i + 3)))
      return keep_price(sum(i + 1), sum(i + 3), 4);
    const std::size_t at = token(i) == "for" ? i + 1 : i;
    if (!is_money(at)) return 0;
    const bool or_less =
        token(at + 1) == "or" && is_one_of(token(at + 2), {"less", "under", "cheaper"});
    if (!or_less && at == i) return 0;  // "$20" alone: the most, the least, about?
    return keep_price(std::nullopt, sum(at), at - i + (or_less ? 3 : 1));
  }
  std::size_t keep_price(std::optional<double> from, std::optional<double> to, std::size_t taken) {
    from = std::max(from, wishes_.price_from);  // none is less than any
    if (wishes_.price_to && (!to || *wishes_.price_to < *to)) to = wishes_.price_to;
    if (from && to && *from > *to) return 0;
    wishes_.price_from = from;
    wishes_.price_to = to;
    return taken;
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
  Compared* compared_;
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

std::optional<FollowUp> read_follow_up(std::string_view message, const Domain& domain,
                                       const ServedCatalogue& served) {
  message = base::trim(message);
  if (!may_be_request(message)) return std::nullopt;
  FollowUp read_up;
  const Text text = read(message);
  if (asks_about_the_list(text.tokens)) return std::nullopt;
  read_up.wishes = Reader(text, &domain, served, &read_up.compared).read(0);
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

std::optional<ConversationWishes> read_conversation(
    const std::vector<language::ChatMessage>& messages, std::string_view domain,
    const ServedCatalogue& served) {
  constexpr std::size_t kMostFollowUps = 20;
  const Domain* const known = find_domain(domain);
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

std::vector<std::string> recommendation_domains() {
  std::vector<std::string> names;
  for (const Domain& domain : domains()) names.emplace_back(domain.name);
  return names;
}

}  // namespace rapport::engine
