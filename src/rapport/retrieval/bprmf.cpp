#include "rapport/retrieval/bprmf.h"

#include "rapport/retrieval/factor_model.h"
#include "rapport/retrieval/pairwise_trainer.h"

namespace rapport::retrieval {
namespace {

constexpr PairwiseRecipe kDense{.learning_rate = 0.1,
                                .learning_rate_decay = 0.95,
                                .regularisation = 0.003,
                                .popular_negatives = 0.3};
constexpr PairwiseRecipe kSparse{
    .learning_rate = 0.1, .learning_rate_decay = 1, .regularisation = 0.01, .popular_negatives = 1};

}  // namespace

Result<BprmfOptions> BprmfOptions::resolved(const data::Dataset& dataset) const {
  TRY(PairwiseOptions options, PairwiseOptions::resolved(dataset, kDense, kSparse));
  return BprmfOptions{std::move(options)};
}

Result<Fit> fit_bprmf(std::string_view kind, const data::Dataset& dataset,
                      const Assignments& assignments, const FitContext& context) {
  TRY(const BprmfOptions options, read_options<BprmfOptions>(dataset, assignments));
  return train_pairwise(kind, dataset, options, /*transitions=*/false, context);
}

Result<std::unique_ptr<Retriever>> load_bprmf(const Json& options, const base::Safetensors& file) {
  return FactorModel::load("bprmf", {.transitions = false}, options, file);
}

}  // namespace rapport::retrieval
