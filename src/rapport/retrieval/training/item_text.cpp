#include "rapport/retrieval/training/item_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <span>
#include <vector>

#include "rapport/retrieval/training/parallel.h"
#include "rapport/retrieval/training/sparse_product.h"

namespace rapport::retrieval {
namespace {

/// Of the kernel, so that what is learnt to multiply it is about 1: Adam moves any weight by the
/// learning rate a step.
constexpr float kScale = 10;

/// Of each item the `most` others that read most alike.
SparseMatrix kernel_of(const SparseMatrix& features, const SparseMatrix& by_token,
                       std::int64_t most, std::int64_t threads) {
  const std::int64_t items = features.rows();
  const auto row_of = [&](std::int64_t item, std::vector<float>& row) -> std::span<const float> {
    std::ranges::fill(row, 0.0f);
    const auto tokens = features.row_indices(item);
    const auto values = features.row_values(item);
    for (std::size_t k = 0; k < tokens.size(); ++k) {
      const auto others = by_token.row_indices(tokens[k]);
      const auto theirs = by_token.row_values(tokens[k]);
      for (std::size_t j = 0; j < others.size(); ++j)
        row[static_cast<std::size_t>(others[j])] += kScale * values[k] * theirs[j];
    }
    row[static_cast<std::size_t>(item)] = 0;
    return row;
  };
  return largest_of_rows(items, items, most, threads, row_of);
}

}  // namespace

Result<std::unique_ptr<const ItemText>> read_item_text(const data::Dataset& dataset,
                                                       const TextOptions& options,
                                                       std::int64_t threads) try {
  if (!options.text) return nullptr;
  auto text = std::make_unique<ItemText>();
  text->features = text_features(dataset.catalogue(), options.features);
  if (text->features.columns == 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("no token of the text of {} is in {} to {} items: other min_df or "
                            "max_df, or text=false",
                            dataset.name(), options.features.min_df, options.features.max_df),
                "text");
  text->by_token = text->features.transposed();
  text->items_read = options.text_items;
  text->kernel = std::make_shared<const SparseMatrix>(
      kernel_of(text->features, text->by_token, options.neighbours, thread_count(threads)));
  return text;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::kInternal,
              fmt::format("the text of {} items does not fit into memory: lower neighbours",
                          dataset.items()));
}

}  // namespace rapport::retrieval
