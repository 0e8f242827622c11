#include "rapport/retrieval/ridge.h"

#include <fmt/format.h>

#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {

void RidgeOptions::describe(base::OptionSet& set) {
  set.add("decay", decay, "weight of an item beside the one after it; 0: the recipe's", 0, 1);
  set.add("window", window, "items before a target that it is predicted from", 1, 1000);
  set.add("lambda", lambda, "L2 on the weights; 0: the recipe's", 0, 1e9);
  set.add("alpha", alpha, "weight of titles, brands and categories; negative: the recipe's", -1,
          1e9);
  set.add("history", history, "newest items that are read to recommend; 0: all", 0, 100'000);
  set.add("min_df", text.min_df, "items that a token of the text is in, at least", 1, 1'000'000);
  set.add("max_df", text.max_df, "items that a token of the text is in, at most", 1, 1'000'000);
  set.add("entries", entries, "weights kept of each item, the largest", 1, 1'000'000);
}

Result<RidgeOptions> RidgeOptions::resolved(const data::Dataset& dataset) const {
  RidgeOptions options = *this;
  const bool dense = is_dense(dataset);
  if (decay == 0) options.decay = dense ? 0.8 : 0.7;
  if (lambda == 0) options.lambda = dense ? 300 : 20;
  const bool text_is_there = has_text(dataset.catalogue());
  if (alpha > 0 && !text_is_there)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("alpha is {}, but {} has no titles, brands or categories: prepare it "
                            "with its items, or leave alpha at 0",
                            alpha, dataset.name()),
                "alpha");
  if (alpha < 0) options.alpha = dense || !text_is_there ? 0 : 5;
  if (options.alpha == 0) {
    const TextFeatureOptions usual;
    TRY_VOID(refuse_unread(
        {{"min_df", text.min_df != usual.min_df}, {"max_df", text.max_df != usual.max_df}},
        "alpha is 0, so that no text is read; set alpha too, or leave it out"));
  }
  return options;
}

Json RidgeOptions::to_json() const {
  return {{"decay", decay},        {"window", window},   {"lambda", lambda},
          {"alpha", alpha},        {"history", history}, {"min_df", text.min_df},
          {"max_df", text.max_df}, {"entries", entries}};
}

Result<std::unique_ptr<Retriever>> Ridge::load(const Json& options, const base::Safetensors& file) {
  TRY(Parts parts, read(options, file));
  return std::make_unique<Ridge>(std::move(parts.weights), parts.reading);
}

}  // namespace rapport::retrieval
