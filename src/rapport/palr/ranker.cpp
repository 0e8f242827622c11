#include "rapport/palr/ranker.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rapport/palr/network_ranker.h"
#include "rapport/palr/xgboost_ranker.h"

namespace rapport::palr {
namespace {

constexpr RankerKind kKinds[] = {
    {.name = "xgboost",
     .summary = "gradient-boosted trees",
     .train = train_xgboost,
     .load = load_xgboost},
    {.name = "mlp",
     .summary = "a network with one hidden layer, listwise softmax loss",
     .train = train_mlp,
     .load = load_mlp},
    {.name = "linear",
     .summary = "the same without the hidden layer: a weighted sum of the features",
     .train = train_linear,
     .load = load_linear},
};

}  // namespace

Result<void> Ranker::score(std::span<const float> rows, std::span<float> scores) const {
  if (rows.size() != scores.size() * static_cast<std::size_t>(columns_))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} features are not those of {} candidates × {} columns", rows.size(),
                            scores.size(), columns_),
                "rows");
  if (scores.empty()) return {};
  return do_score(rows, scores);
}

Result<std::vector<float>> Ranker::contributions(std::span<const float> rows) const {
  const auto width = static_cast<std::size_t>(columns_);
  if (rows.size() % width != 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} features are no whole rows of {} columns", rows.size(), columns_),
                "rows");
  std::vector<float> contributions(rows.size() / width * (width + 1));
  if (!rows.empty()) TRY_VOID(do_contributions(rows, contributions));
  return contributions;
}

void RankerOptions::describe(base::OptionSet& set) {
  set.add("ranker", ranker, "what learns: xgboost (boosted trees), mlp (one hidden layer), linear");
  set.add("rounds", rounds, "trees or epochs, at most", 1, 100'000);
  set.add("patience", patience, "rounds without a better held-back NDCG before it stops", 1,
          100'000);
  set.add("folds", folds, "parts of the users, each held back in turn to choose the rounds by", 2,
          100);
  set.add("objective", trees.objective, "xgboost: softmax (of the list), or ndcg (rank:ndcg)");
  set.add("depth", trees.depth, "xgboost: of a tree", 1, 16);
  set.add("shrinkage", trees.shrinkage, "xgboost: of each tree's answer", 1e-4, 1);
  set.add("min_weight", trees.min_weight, "xgboost: second derivatives in a leaf, at least", 0,
          1e6);
  set.add("rows_share", trees.rows_share, "xgboost: candidates that a tree sees", 0.01, 1);
  set.add("columns_share", trees.columns_share, "xgboost: columns that a tree sees", 0.01, 1);
  set.add("l2", trees.l2, "xgboost: on the values of leaves", 0, 1e6);
  set.add("hidden", network.hidden, "mlp: units of the hidden layer", 1, 4096);
  set.add("learning_rate", network.learning_rate, "mlp, linear: of Adam", 1e-6, 1);
  set.add("weight_decay", network.weight_decay, "mlp, linear: L2 on the weights", 0, 10);
  set.add("batch_lists", network.batch_lists, "mlp, linear: users a step", 1, 100'000);
}

Result<void> RankerOptions::check() const {
  TRY_VOID(find_ranker_kind(ranker));
  if (trees.objective != "softmax" && trees.objective != "ndcg")
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("objective is \"{}\": it is softmax or ndcg", trees.objective),
                "objective");
  return {};
}

std::span<const RankerKind> ranker_kinds() {
  return kKinds;
}

Result<const RankerKind*> find_ranker_kind(std::string_view name) {
  std::vector<std::string_view> names;
  for (const RankerKind& kind : kKinds) {
    if (kind.name == name) return &kind;
    names.push_back(kind.name);
  }
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("there is no ranker \"{}\": it is one of {}", name, fmt::join(names, ", ")),
      "ranker");
}

}  // namespace rapport::palr
