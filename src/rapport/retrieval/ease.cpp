#include "rapport/retrieval/ease.h"

#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void EaseOptions::describe(base::OptionSet& set) {
  set.add("lambda", lambda, "L2 on the weights; 0: the recipe's", 0, 1e9);
  set.add("entries", entries, "weights kept of each item, the largest", 1, 1'000'000);
}

Result<EaseOptions> EaseOptions::resolved(const data::Dataset& dataset) const {
  EaseOptions options = *this;
  if (lambda == 0) options.lambda = is_dense(dataset) ? 300 : 100;
  return options;
}

Json EaseOptions::to_json() const {
  return {{"lambda", lambda}, {"entries", entries}};
}

Result<std::unique_ptr<Retriever>> Ease::load(const Json& options, const base::Safetensors& file) {
  TRY(Parts parts, read(options, file));
  return std::make_unique<Ease>(std::move(parts.weights));
}

}  // namespace rapport::retrieval
