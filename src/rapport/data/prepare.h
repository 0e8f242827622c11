// From what a source says to the data set that every figure rests on. In this order: any rating or
// review is an interaction; a user's further interactions with the same item are dropped (the one
// that comes first in the file stays); each history is sorted by time, in the file's order among
// equals; users and items with fewer than `min_count` interactions go until none is left; those who
// stay are numbered by a hash of their ids.
//
//   TRY(const Preparation prepared, prepare(source, {.name = "ml-1m"}));
//   TRY_VOID(prepared.dataset.save("datasets/ml-1m"));
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "rapport/base/result.h"
#include "rapport/data/dataset.h"
#include "rapport/data/source.h"

namespace rapport::data {

struct PrepareOptions {
  std::string name = "dataset";
  std::int64_t min_count = 5;  // the k of the k-core; 1 keeps everybody
};

struct Preparation {
  Dataset dataset;
  std::int64_t interactions_read = 0;
  /// What was left out or taken otherwise than written, in words, and how often; never 0. The same
  /// is in the data set's source under "notes".
  std::map<std::string, std::int64_t> notes;
};

/// Errors: kInvalidArgument when nothing is left, with the counts.
Result<Preparation> prepare(const Source& source, const PrepareOptions& options);

}  // namespace rapport::data
