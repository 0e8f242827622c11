#include "rapport/retrieval/training/train_fusion.h"

#include <fmt/format.h>

#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/training/fusion_weights.h"
#include "rapport/retrieval/training/staged_fit.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

constexpr std::int64_t kFolds = 5;

Result<std::unique_ptr<Retriever>> load_member(const std::string& directory,
                                               const data::Dataset& dataset) {
  TRY(auto model, load_retriever_of(directory, dataset));
  if (model->kind() == "fusion")
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is a fusion itself: name its members instead, whose weights are "
                            "then found together",
                            directory),
                "models");
  return model;
}

double own_ndcg(std::span<const FusionPool> pools, std::size_t member) {
  evaluation::RankingMetrics metrics;
  for (const FusionPool& pool : pools) metrics.add(pool.ranks[member], pool.weight);
  return metrics.mean(evaluation::ndcg_at(10));
}

Result<Fit> fit(const data::Dataset& dataset, const FusionOptions& options,
                const FitContext& context) {
  StagedFit course(dataset, context, 4);
  TRY_VOID(course.begin("members' scores"));
  std::vector<std::unique_ptr<Retriever>> models;
  for (const std::string& directory : options.models) {
    TRY(auto model, load_member(directory, dataset));
    models.push_back(std::move(model));
  }
  const WorkStep step = [&](double done) { return course.step(done); };
  TRY(std::vector<FusionPool> pools, fusion_pools(dataset, models, {}, course.threads(), step));
  if (pools.empty())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has no user with a validation item", dataset.name()), "data");

  TRY_VOID(course.begin("weights"));
  const FusionWeights found = find_fusion_weights(pools, course.threads());
  TRY_VOID(course.begin("cross-fit"));
  TRY(const CrossFit crossed, cross_fit(pools, kFolds, course.threads(), step));
  const bool searched = crossed.ndcg >= crossed.softmax;
  const std::vector<double>& weights = searched ? found.weights : found.softmax;

  Json report = Json::array();
  std::vector<FusionMember> members;
  const Json names = options.to_json()["models"];
  for (std::size_t m = 0; m < models.size(); ++m) {
    report.push_back({{"model", names[m]},
                      {"kind", models[m]->kind()},
                      {"weight", weights[m]},
                      {"validation", {{"ndcg@10", own_ndcg(pools, m)}}}});
    if (const auto weight = static_cast<float>(weights[m]); weight > 0)
      members.push_back({std::move(models[m]), weight});
  }
  const std::vector<double> equal(models.size(), 1.0);
  TRY(Fit fit, course.finish(std::make_unique<Fusion>(std::move(members)), options.to_json()));
  fit.report["members"] = std::move(report);
  fit.report["found_by"] = searched ? "search" : "softmax";
  fit.report["equal"] = {{"ndcg@10", fused_ndcg(pools, equal).ndcg}};
  fit.report["cross_fit"] = {{"folds", kFolds},
                             {"ndcg@10", searched ? crossed.ndcg : crossed.softmax}};
  fit.report["in_doubt"] = fused_ndcg(pools, weights).in_doubt;
  return fit;
}

}  // namespace

Result<Fit> train_fusion(const data::Dataset& dataset, const FusionOptions& options,
                         const FitContext& context) {
  return within_memory("fusion", dataset, "fuse fewer models",
                       [&] { return fit(dataset, options, context); });
}

}  // namespace rapport::retrieval
