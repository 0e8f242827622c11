// What a ranker knows of a candidate: named columns of numbers, family by family.
//
//   FeatureSet features;
//   features.add(retriever_features(sources, 50));
//   features.add({{{"age", "years since its release", "how old it is"}}, compute});
//   TRY_VOID(features.rows({.user = user, .history = history, .pool = pool}, rows));
//
// A new column is one line of names and one function. Nothing here can see the held-out item: a
// family gets the history that the candidates were made from, and what it knows beside comes from
// the training part of all histories and from the catalogue.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/palr/candidates.h"

namespace rapport::palr {

struct Feature {
  std::string name;     // "text_newest"
  std::string meaning;  // one line
  /// For people, where a list says what put an item there: "how alike it and {newest} read". Behind
  /// {newest} is the title of the history's newest item.
  std::string words = {};
  /// The same for all candidates of a user: it can only say how others are to be read.
  bool of_user = false;
};

struct FeatureInput {
  data::UserIndex user = -1;                 // -1: not in the data set
  std::span<const data::ItemIndex> history;  // oldest first; may be empty
  const Pool& pool;
  std::stop_token stop_token = {};  // for those that wait for somebody
};

/// Columns that are computed together.
struct FeatureFamily {
  std::vector<Feature> features;
  /// Fills `values` [candidates × features], which are 0, row by row, with finite numbers.
  /// Thread-safe.
  std::function<Result<void>(const FeatureInput& input, std::span<float> values)> compute;
};

/// Columns are each feature as it is and, unless it is of the user, in standard deviations from the
/// mean of the user's candidates ("text_newest, within user"; 0 where they are all alike).
/// Thread-safe once all are added.
class FeatureSet {
 public:
  /// Names are new to the set. A family without features adds nothing.
  void add(FeatureFamily family);

  const std::vector<Feature>& columns() const { return columns_; }

  /// Fills `rows` [candidates × columns]. Errors: those of the families; kInternal when one of them
  /// made a number that is none, naming the feature.
  Result<void> rows(const FeatureInput& input, std::vector<float>& rows) const;

 private:
  std::vector<FeatureFamily> families_;
  std::vector<Feature> columns_;
};

}  // namespace rapport::palr
