// Users drawn by lot: those that a ranker or a language model learns from, and those that are
// measured.
//
//   TRY(const Lot lot, draw(dataset, {.fraction = 0.2, .seed = 1}));
//   lot.users[i];      // stands for lot.weights[i] of all users
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/data/dataset.h"

namespace rapport::palr {

/// What a lot hangs on: the same users for the same data set.
struct LotOptions {
  double fraction = 0.2;  // of the users (paper, §7.1)
  std::string strata =
      "activity";  // what they are drawn evenly by, as data::parse_group_by reads it
  std::int64_t seed = 1;

  Json to_json() const;
  /// None where it is no such object.
  static std::optional<LotOptions> from_json(const Json& json);
};

struct Lot {
  std::vector<data::UserIndex> users;  // ascending
  std::vector<float> weights;          // [users] of the data set, times the stratum's

  bool has(data::UserIndex user) const;
};

/// Errors: those of data::sample and data::parse_group_by.
Result<Lot> draw(const data::Dataset& dataset, const LotOptions& options);

}  // namespace rapport::palr
