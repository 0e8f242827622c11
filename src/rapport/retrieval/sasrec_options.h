// How SASRec is trained: each option with its default and where the default comes from.
#pragma once

#include <cstdint>
#include <string>

#include "rapport/base/config.h"
#include "rapport/data/dataset.h"
#include "rapport/retrieval/sasrec.h"

namespace rapport::retrieval {

/// Zero or a negative number stands for what `resolved` takes from the recipe. Source of the
/// recipes: Klenitskiy & Vasilev 2023 and the published SASRec + CE runs on both data sets;
/// docs/benchmarks.md has what this code reaches with them.
struct SasrecOptions {
  /// "dense" for long histories (MovieLens-1M), "sparse" for short ones (Amazon Beauty); "auto"
  /// takes dense from 30 interactions a user on.
  std::string recipe = "auto";
  std::int64_t dimension = 64;
  std::int64_t blocks = 2;
  std::int64_t heads = 1;
  std::int64_t max_length = 0;       // 200 dense, 50 sparse
  double dropout = -1;               // 0.1 dense, 0.6 sparse
  double learning_rate = 0;          // 1e-3 dense, 5e-4 sparse
  double weight_decay = -1;          // 1e-6 dense, 1e-8 sparse; L2
  std::int64_t batch_positions = 0;  // positions a step, of whole sequences; see resolved
  std::int64_t epochs = 200;         // at most
  std::int64_t patience = 20;        // epochs without a better validation NDCG@10 before it ends
  std::int64_t evaluate_every = 1;   // epochs

  void describe(base::OptionSet& set);
  /// With every recipe value filled in. `batch_positions` is 13,000 dense and 3,000 sparse (the
  /// recipes' 128 and 512 users), less on small data sets so that an epoch has 40 steps, at least
  /// 500. Errors: kInvalidArgument, naming the option.
  Result<SasrecOptions> resolved(const data::Dataset& dataset) const;
  SasrecShape shape(std::int64_t items) const;
  Json to_json() const;
};

}  // namespace rapport::retrieval
