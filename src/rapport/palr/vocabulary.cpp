#include "rapport/palr/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "rapport/base/text.h"

namespace rapport::palr {
namespace {

/// Words that say nothing of a taste, however few items have them.
constexpr std::array<std::string_view, 57> kFunctionWords = {
    "a",   "about", "after", "all",  "an",   "and",  "are",  "as",  "at",   "be",   "but",  "by",
    "can", "de",    "des",   "do",   "for",  "from", "had",  "has", "have", "her",  "him",  "his",
    "how", "i",     "in",    "into", "is",   "it",   "la",   "le",  "les",  "like", "me",   "my",
    "new", "no",    "not",   "of",   "on",   "or",   "our",  "out", "that", "the",  "this", "to",
    "two", "up",    "was",   "we",   "what", "who",  "with", "you", "your"};

bool says_something(std::string_view word) {
  const bool has_letter = std::ranges::any_of(
      word, [](char c) { return !(c >= '0' && c <= '9') && c != '-' && c != '\''; });
  return word.size() > 2 && has_letter &&
         std::ranges::find(kFunctionWords, word) == kFunctionWords.end();
}

/// Keywords by their folded text; the first kind that brings a text is the only one that has it.
class Collector {
 public:
  void add(std::string_view text, std::string_view kind, data::ItemIndex item) {
    const std::string_view trimmed = base::trim(text);
    if (trimmed.empty()) return;
    auto [found, is_new] = found_.try_emplace(base::fold_case(trimmed));
    Keyword& keyword = found->second;
    if (is_new) {
      keyword.text = trimmed;
      keyword.kind = kind;
    }
    // "Decline of Western Civilization" is no western: each kind stands for itself.
    if (keyword.kind == kind) keyword.items.push_back(item);
  }

  /// Sorts what came kind by kind, and leaves out what is too rare or too common.
  std::vector<Keyword> take(std::size_t least, std::size_t most) {
    std::vector<Keyword> kept;
    for (auto& [folded, keyword] : found_) {
      std::ranges::sort(keyword.items);
      keyword.items.erase(std::unique(keyword.items.begin(), keyword.items.end()),
                          keyword.items.end());
      if (keyword.items.size() >= least && keyword.items.size() <= most)
        kept.push_back(std::move(keyword));
    }
    return kept;
  }

 private:
  std::map<std::string, Keyword> found_;
};

void add_title(Collector& collector, std::string_view title, data::ItemIndex item) {
  const std::string folded = base::fold_case(title);
  std::string_view before;
  for (const std::string_view word : base::words(folded)) {
    if (!says_something(word)) {
      before = {};
      continue;
    }
    collector.add(word, "title", item);
    if (!before.empty()) collector.add(fmt::format("{} {}", before, word), "title", item);
    before = word;
  }
}

/// Without title words whose items are those of a pair.
void drop_halves(std::vector<Keyword>& keywords) {
  std::map<std::string, std::size_t> in_a_pair;  // word → the most items of a pair that has it
  for (const Keyword& keyword : keywords) {
    if (keyword.kind != "title") continue;
    const std::size_t space = keyword.text.find(' ');
    if (space == std::string::npos) continue;
    for (const std::string& half : {keyword.text.substr(0, space), keyword.text.substr(space + 1)})
      in_a_pair[half] = std::max(in_a_pair[half], keyword.items.size());
  }
  std::erase_if(keywords, [&](const Keyword& keyword) {
    const auto found = in_a_pair.find(keyword.text);
    return keyword.kind == "title" && found != in_a_pair.end() &&
           found->second == keyword.items.size();
  });
}

}  // namespace

Vocabulary::Vocabulary(std::vector<Keyword> keywords, std::int64_t items)
    : keywords_(std::move(keywords)), items_(items) {
  std::ranges::sort(keywords_, {}, [](const Keyword& k) { return base::fold_case(k.text); });
  std::vector<std::vector<std::int32_t>> of_each(static_cast<std::size_t>(items));
  for (std::size_t k = 0; k < keywords_.size(); ++k) {
    folded_.push_back(base::fold_case(keywords_[k].text));
    for (const data::ItemIndex item : keywords_[k].items)
      of_each[static_cast<std::size_t>(item)].push_back(static_cast<std::int32_t>(k));
  }
  offsets_ = {0};
  for (const auto& own : of_each) {
    of_.insert(of_.end(), own.begin(), own.end());
    offsets_.push_back(static_cast<std::int64_t>(of_.size()));
  }
}

std::span<const std::int32_t> Vocabulary::of(data::ItemIndex item) const {
  const auto i = static_cast<std::size_t>(item);
  return std::span(of_).subspan(static_cast<std::size_t>(offsets_[i]),
                                static_cast<std::size_t>(offsets_[i + 1] - offsets_[i]));
}

std::optional<std::int32_t> Vocabulary::find(std::string_view text) const {
  const std::string folded = base::fold_case(base::trim(text));
  const auto found = std::ranges::lower_bound(folded_, folded);
  if (found == folded_.end() || *found != folded) return std::nullopt;
  return static_cast<std::int32_t>(found - folded_.begin());
}

Vocabulary mine_vocabulary(const data::Dataset& dataset, const VocabularyOptions& options) {
  Collector collector;
  const data::Catalogue& catalogue = dataset.catalogue();
  const data::KnowledgeGraph& graph = dataset.graph();
  // Kind by kind: where two say the same, the first names it.
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i)
    for (const std::string& category : catalogue.item(i).categories)
      collector.add(category, "category", i);
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i)
    collector.add(catalogue.item(i).brand, "brand", i);
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i)
    for (const auto& edge : graph.edges(i))
      collector.add(graph.entity(edge.entity), graph.relation(edge.relation), i);
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i)
    if (const auto year = catalogue.item(i).year)
      collector.add(fmt::format("{}s", *year / 10 * 10), "decade", i);
  for (data::ItemIndex i = 0; i < catalogue.size(); ++i)
    add_title(collector, catalogue.title(i), i);
  const auto most =
      static_cast<std::size_t>(options.most_share * static_cast<double>(catalogue.size()));
  std::vector<Keyword> keywords = collector.take(static_cast<std::size_t>(options.least), most);
  drop_halves(keywords);
  return {std::move(keywords), catalogue.size()};
}

}  // namespace rapport::palr
