// Which item of the catalogue a language model means by a name that it wrote. What means none is a
// hallucination: it is counted, and never shown.
//
//   const TitleIndex index(dataset.catalogue());
//   if (const auto match = index.find("the matrix")) show(match->item);    // "Matrix, The (1999)"
//
// Two titles are compared as `normal_title` writes them: the same is a match; otherwise the share
// of letter triples that both have (Dice's coefficient) decides, which forgives a letter, a missing
// subtitle no longer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rapport/data/catalogue.h"

namespace rapport::palr {

/// Lower case, words with one space between, without a year at the end, an article behind a comma
/// in front again: "the matrix" of "Matrix, The (1999)".
std::string normal_title(std::string_view title);

/// The least similarity that counts as a match: a letter or two in a title of a few words. Numbers
/// must agree all the same ("Die Hard 2" is not "Die Hard 3").
inline constexpr double kLeastSimilarity = 0.8;

class TitleIndex {
 public:
  explicit TitleIndex(const data::Catalogue& catalogue);

  struct Match {
    data::ItemIndex item;
    double similarity;  // 1: the same
  };
  /// The most similar item; of several alike the one that a hash picks. None below kLeastSimilarity
  /// or where the numbers in both differ. Names are read to 1,000 bytes.
  std::optional<Match> find(std::string_view name) const;

 private:
  struct Title {
    data::ItemIndex item;
    std::size_t triples;  // different ones
    std::string numbers;  // its words of digits
  };
  std::vector<Title> titles_;
  std::unordered_map<std::string, std::vector<std::int32_t>> same_;      // places in titles_
  std::unordered_map<std::uint64_t, std::vector<std::int32_t>> having_;  // triple → places
};

}  // namespace rapport::palr
