// What training reads of the items' text: features that item vectors share, and the kernel.
//
//   TRY(const auto text, read_item_text(dataset, options, context));
#pragma once

#include <cstdint>
#include <memory>

#include "rapport/data/dataset.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/text_options.h"

namespace rapport::retrieval {

struct ItemText {
  SparseMatrix features;                       // [items × tokens]
  SparseMatrix by_token;                       // transposed
  std::shared_ptr<const SparseMatrix> kernel;  // [items × items], the largest of features·featuresᵀ
  std::int64_t items_read = 0;

  std::int64_t tokens() const { return features.columns; }
};

/// Null when `options` have no text. The same for any number of threads; reports itself as a stage.
/// Time: the square of a token's items, for each token. Errors: kInvalidArgument when no token is
/// within its bounds; kCancelled; kInternal when memory does not suffice.
Result<std::unique_ptr<const ItemText>> read_item_text(const data::Dataset& dataset,
                                                       const TextOptions& options,
                                                       const FitContext& context);

}  // namespace rapport::retrieval
