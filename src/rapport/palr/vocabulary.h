// The words that a taste can be put in: what the catalogue says of several items, but not of most.
//
//   const Vocabulary vocabulary = mine_vocabulary(dataset, {});
//   for (const std::int32_t k : vocabulary.of(item)) vocabulary.keyword(k).text;   // "film-noir"
//
// A language model that describes a user chooses among these: it cannot ramble, and each word has
// the items that it comes from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/data/dataset.h"

namespace rapport::palr {

/// Counted up when what is mined changes.
inline constexpr std::int64_t kVocabularyRules = 1;

struct VocabularyOptions {
  std::int64_t least = 5;    // items that have a keyword
  double most_share = 0.25;  // of the catalogue that may have it
};

struct Keyword {
  std::string text;  // as the catalogue writes it, title words in lower case; new to the vocabulary
                     // without regard to case
  std::string kind;  // "category", "brand", "decade", "title", or a relation of the knowledge graph
  std::vector<data::ItemIndex> items;  // ascending
};

/// Immutable; thread-safe.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// `items` of the catalogue.
  Vocabulary(std::vector<Keyword> keywords, std::int64_t items);

  std::size_t size() const { return keywords_.size(); }
  const Keyword& keyword(std::int32_t k) const { return keywords_[static_cast<std::size_t>(k)]; }
  /// Numbers of the item's keywords, ascending.
  std::span<const std::int32_t> of(data::ItemIndex item) const;
  /// By its text, without regard to case.
  std::optional<std::int32_t> find(std::string_view text) const;
  std::int64_t items() const { return items_; }

 private:
  std::vector<Keyword> keywords_;  // sorted by folded text
  std::vector<std::string> folded_;
  std::int64_t items_ = 0;
  std::vector<std::int64_t> offsets_;  // [items + 1]
  std::vector<std::int32_t> of_;
};

/// Categories, brands, decades of release, entities of the knowledge graph, and words and pairs of
/// words of titles. A word that stands in one pair only is left to the pair.
Vocabulary mine_vocabulary(const data::Dataset& dataset, const VocabularyOptions& options);

}  // namespace rapport::palr
