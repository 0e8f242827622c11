#include "rapport/palr/title_index.h"

#include <algorithm>
#include <array>

#include "rapport/base/text.h"
#include "rapport/data/attributes.h"
#include "rapport/palr/candidates.h"

namespace rapport::palr {
namespace {

constexpr std::size_t kLongest = 1000;  // bytes of a name that are read

constexpr std::array<std::string_view, 12> kArticles = {"the", "a",   "an",  "le",  "la", "les",
                                                        "il",  "der", "die", "das", "el", "l'"};

bool is_article(std::string_view word) {
  return std::ranges::find(kArticles, word) != kArticles.end();
}

std::string_view without_year(std::string_view title) {
  if (!data::title_year(title)) return title;
  return base::trim(title.substr(0, title.rfind('(')));
}

/// Of bytes, with a blank at either end, each once and in order.
std::vector<std::uint64_t> triples_of(const std::string& normal) {
  const std::string padded = " " + normal + " ";
  std::vector<std::uint64_t> triples;
  for (std::size_t i = 0; i + 3 <= padded.size(); ++i) {
    std::uint64_t triple = 0;
    for (std::size_t j = 0; j < 3; ++j)
      triple = triple << 8 | static_cast<unsigned char>(padded[i + j]);
    triples.push_back(triple);
  }
  std::sort(triples.begin(), triples.end());
  triples.erase(std::unique(triples.begin(), triples.end()), triples.end());
  return triples;
}

std::string numbers_of(const std::string& normal) {
  std::string numbers;
  for (const std::string_view word : base::words(normal))
    if (word.find_first_not_of("0123456789") == word.npos) numbers.append(word).append(" ");
  return numbers;
}

}  // namespace

std::string normal_title(std::string_view title) {
  const std::string folded = base::fold_case(without_year(base::trim(title)));
  const std::size_t comma = folded.rfind(',');
  std::string words, in_front;
  for (const std::string_view word : base::words(folded)) {
    const auto at = static_cast<std::size_t>(word.data() - folded.data());
    const bool is_last = at + word.size() == base::trim(folded).size();
    if (comma != folded.npos && at > comma && is_last && is_article(word)) {
      in_front = std::string(word) + " ";
    } else {
      words += (words.empty() ? "" : " ") + std::string(word);
    }
  }
  return in_front + words;
}

TitleIndex::TitleIndex(const data::Catalogue& catalogue) {
  for (data::ItemIndex item = 0; item < catalogue.size(); ++item) {
    const std::string normal = normal_title(catalogue.title(item));
    if (normal.empty()) continue;
    const auto place = static_cast<std::int32_t>(titles_.size());
    const std::vector<std::uint64_t> triples = triples_of(normal);
    for (const std::uint64_t triple : triples) having_[triple].push_back(place);
    titles_.push_back({item, triples.size(), numbers_of(normal)});
    same_[normal].push_back(place);
  }
}

std::optional<TitleIndex::Match> TitleIndex::find(std::string_view name) const {
  const std::string normal = normal_title(base::truncate(name, kLongest));
  const auto item = [&](std::int32_t place) {
    return titles_[static_cast<std::size_t>(place)].item;
  };
  if (const auto same = same_.find(normal); same != same_.end()) {
    const auto first = std::ranges::min_element(
        same->second, {}, [&](std::int32_t place) { return tie_breaker(item(place)); });
    return Match{item(*first), 1};
  }
  const std::vector<std::uint64_t> triples = triples_of(normal);
  std::unordered_map<std::int32_t, std::size_t> shared;
  for (const std::uint64_t triple : triples) {
    const auto having = having_.find(triple);
    if (having == having_.end()) continue;
    for (const std::int32_t place : having->second) ++shared[place];
  }
  const std::string numbers = numbers_of(normal);
  std::optional<Match> best;
  for (const auto& [place, count] : shared) {
    const Title& title = titles_[static_cast<std::size_t>(place)];
    const double similarity =
        2 * static_cast<double>(count) / static_cast<double>(triples.size() + title.triples);
    if (similarity < kLeastSimilarity || title.numbers != numbers) continue;
    if (!best || similarity > best->similarity ||
        (similarity == best->similarity && tie_breaker(title.item) < tie_breaker(best->item)))
      best = Match{title.item, similarity};
  }
  return best;
}

}  // namespace rapport::palr
