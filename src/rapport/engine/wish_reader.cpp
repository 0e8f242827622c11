#include "rapport/engine/wish_reader.h"

#include <algorithm>
#include <utility>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

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

class Reader {
 public:
  Reader(const WishText& text, const WishDomain* domain, const ServedCatalogue& served,
         Compared* compared)
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

  const WishText& text_;
  const WishDomain* domain_;
  const ServedCatalogue& served_;
  Compared* compared_;
  Wishes wishes_;
};

}  // namespace

Wishes read_words(const WishText& text, std::size_t from, const WishDomain* domain,
                  const ServedCatalogue& served, Compared* compared) {
  return Reader(text, domain, served, compared).read(from);
}

}  // namespace rapport::engine
