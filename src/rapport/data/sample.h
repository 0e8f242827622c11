// A stratified part of the users: small enough for everyday work, with nobody left out for being
// few.
//
//   TRY(const Sample sampled, sample(dataset, {.fraction = 0.2, .strata = by}, random));
//   TRY_VOID(sampled.dataset.save("datasets/ml-1m-20"));
//
// Each stratum gets its share of the sample, but never fewer than a minimum, and small strata more
// than their share where `balance` asks for it. What that shifts, the weights set right: a user of
// a stratum stands for population / sampled users, so a weighted mean over the sample estimates the
// mean over all (Horvitz & Thompson 1952).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/random.h"
#include "rapport/base/result.h"
#include "rapport/data/dataset.h"
#include "rapport/data/groups.h"

namespace rapport::data {

struct SampleOptions {
  double fraction = 0.2;              // of the users, above 0 and at most 1
  std::vector<GroupBy> strata = {};   // empty: one stratum
  std::int64_t min_per_stratum = 30;  // at least 1; strata with fewer users come in whole
  /// 0: shares as the strata's sizes; 1: equal shares; between them, sizes to the power of
  /// 1 - balance.
  double balance = 0;
  std::string name = "sample";
};

struct Stratum {
  std::string name;             // "F, high"
  std::int64_t population = 0;  // users of the data set
  std::int64_t sampled = 0;     // of them
  double weight = 1;            // population / sampled
  /// Its share of the sample over its share of the population: above 1, up-weighted.
  double up_weighting = 1;
};

struct Sample {
  /// With all items, so that models fit both; its users in the same order, with their weights
  /// (times those that they had).
  Dataset dataset;
  std::vector<Stratum> strata;
};

/// The same for the same `random`. Errors: kInvalidArgument for an option out of its range.
Result<Sample> sample(const Dataset& dataset, const SampleOptions& options, base::Random& random);

/// How many of `total` each of `sizes` gets: as near to its share as min(minimum, size) ≤ n ≤ size
/// allows. The sum is `total`, or the sum of the minima where that is more. `total` is at most the
/// sum of `sizes`.
std::vector<std::int64_t> allocate(std::span<const std::int64_t> sizes, std::int64_t total,
                                   std::int64_t minimum, double balance);

}  // namespace rapport::data
