// What an item's text says of it, as a sparse vector: words and pairs of words of its title, its
// brand, its categories, rare ones with more weight. Two items' product is how alike they read.
//
//   TRY(const SparseMatrix features,
//       text_features(dataset.catalogue(), {.max_df = 3000}, threads));
//   features.row_indices(item)                            // numbers of the item's tokens
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/data/catalogue.h"
#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

struct TextFeatureOptions {
  /// Items that have the token, at least and at most: a token of one item ties it to none, one of
  /// very many says nothing and costs the square of their number.
  std::int64_t min_df = 2, max_df = 3000;
};

/// True when some item has a title, a brand or a category.
bool has_text(const data::Catalogue& catalogue);

/// The different tokens of an item, sorted: words of the title and neighbouring pairs of them,
/// brand and categories whole, all without regard to case, each kind with a mark of its own.
std::vector<std::string> text_tokens(const data::Item& item);

/// [items × tokens]: log(items / df) where the item has the token, each row of length 1 or empty.
/// Tokens are numbered in the order of their text, so that items may be numbered in any way.
/// Errors: those of `step`.
Result<SparseMatrix> text_features(const data::Catalogue& catalogue,
                                   const TextFeatureOptions& options, TrainingThreads& threads,
                                   const WorkStep& step = {});

}  // namespace rapport::retrieval
