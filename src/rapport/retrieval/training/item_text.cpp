#include "rapport/retrieval/training/item_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "rapport/retrieval/training/parallel.h"

namespace rapport::retrieval {
namespace {

/// Of the kernel, so that what is learnt to multiply it is about 1: Adam moves any weight by the
/// learning rate a step.
constexpr float kScale = 10;

/// Of each item the `most` others that read most alike.
SparseMatrix kernel_of(const SparseMatrix& features, const SparseMatrix& by_token,
                       std::int64_t most, std::int64_t threads) {
  const std::int64_t items = features.rows();
  constexpr std::int64_t kRows = 64;  // a task
  std::vector<SparseMatrix> parts(static_cast<std::size_t>((items + kRows - 1) / kRows));
  in_parallel(threads, static_cast<std::int64_t>(parts.size()), [&](std::int64_t task) {
    std::vector<float> row(static_cast<std::size_t>(items));
    for (std::int64_t i = task * kRows; i < std::min(items, (task + 1) * kRows); ++i) {
      std::ranges::fill(row, 0.0f);
      const auto tokens = features.row_indices(i);
      const auto values = features.row_values(i);
      for (std::size_t k = 0; k < tokens.size(); ++k) {
        const auto others = by_token.row_indices(tokens[k]);
        const auto theirs = by_token.row_values(tokens[k]);
        for (std::size_t j = 0; j < others.size(); ++j)
          row[static_cast<std::size_t>(others[j])] += kScale * values[k] * theirs[j];
      }
      row[static_cast<std::size_t>(i)] = 0;
      append_largest(row, most, parts[static_cast<std::size_t>(task)]);
    }
  });
  SparseMatrix kernel{.columns = items};
  for (SparseMatrix& part : parts) kernel.append(part);
  return kernel;
}

}  // namespace

Result<std::unique_ptr<const ItemText>> read_item_text(const data::Dataset& dataset,
                                                       const TextOptions& options,
                                                       std::int64_t threads) {
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
}

void add_sparse_product(const SparseMatrix& a, std::int64_t begin, std::int64_t end, const float* b,
                        std::int64_t width, float* out) {
  for (std::int64_t row = begin; row < end; ++row) {
    const auto columns = a.row_indices(row);
    const auto values = a.row_values(row);
    float* const sums = out + row * width;
    for (std::size_t k = 0; k < columns.size(); ++k) {
      const float* const from = b + columns[k] * width;
      const float value = values[k];
      for (std::int64_t i = 0; i < width; ++i) sums[i] += value * from[i];
    }
  }
}

}  // namespace rapport::retrieval
