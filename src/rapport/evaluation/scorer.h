// What is evaluated: anything that gives every item of the catalogue a score.
#pragma once

#include <functional>
#include <span>

#include "rapport/base/result.h"
#include "rapport/data/indexes.h"

namespace rapport::evaluation {

/// Who asks. Models of sequences read `history`, models of users `user`.
struct Query {
  data::UserIndex user = -1;                 // -1: not in the data set
  std::span<const data::ItemIndex> history;  // oldest first; may be empty
};

/// Fills `scores` [queries × items], row-major; higher is better. Items of the history are scored
/// as any other: masking is the caller's. Called from several threads at once.
using Scorer = std::function<Result<void>(std::span<const Query> queries, std::span<float> scores)>;

}  // namespace rapport::evaluation
