#include "rapport/retrieval/training/item_text.h"

#include <fmt/format.h>

#include <new>
#include <vector>

#include "rapport/retrieval/training/sparse_product.h"
#include "rapport/retrieval/training/staged_fit.h"

namespace rapport::retrieval {
namespace {

/// Of the kernel, so that what is learnt to multiply it is about 1: Adam moves any weight by the
/// learning rate a step.
constexpr float kScale = 10;

/// Of each item the `most` others that read most alike. Only pairs that share a token are looked
/// at.
Result<SparseMatrix> kernel_of(const SparseMatrix& features, const SparseMatrix& by_token,
                               std::int64_t most, TrainingThreads& threads, const WorkStep& step) {
  const std::int64_t items = features.rows();
  return rows_side_by_side(items, items, threads, step,
                           [&](std::int64_t begin, std::int64_t end, SparseMatrix& part) {
                             std::vector<float> row(static_cast<std::size_t>(items));
                             std::vector<std::int32_t> alike;
                             for (std::int64_t item = begin; item < end; ++item) {
                               alike.clear();
                               const auto tokens = features.row_indices(item);
                               const auto values = features.row_values(item);
                               for (std::size_t k = 0; k < tokens.size(); ++k) {
                                 const float value = kScale * values[k];
                                 const auto others = by_token.row_indices(tokens[k]);
                                 const auto theirs = by_token.row_values(tokens[k]);
                                 for (std::size_t j = 0; j < others.size(); ++j) {
                                   float& sum = row[static_cast<std::size_t>(others[j])];
                                   if (sum == 0 && others[j] != item) alike.push_back(others[j]);
                                   sum += value * theirs[j];
                                 }
                               }
                               append_largest(row, alike, most, part);
                               for (const std::int32_t other : alike)
                                 row[static_cast<std::size_t>(other)] = 0;
                               row[static_cast<std::size_t>(item)] = 0;
                             }
                           });
}

}  // namespace

Result<std::unique_ptr<const ItemText>> read_item_text(const data::Dataset& dataset,
                                                       const TextOptions& options,
                                                       const FitContext& context) try {
  if (!options.text) return nullptr;
  StagedFit course(dataset, context, /*stages=*/1, /*share=*/0);  // next to nothing beside epochs
  TRY_VOID(course.begin("text"));
  const WorkStep step = [&](double done) { return course.step(done); };
  auto text = std::make_unique<ItemText>();
  TRY(text->features, text_features(dataset.catalogue(), options.features, course.threads(),
                                    step_within(step, 0, 0.3)));
  if (text->features.columns == 0)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("no token of the text of {} is in {} to {} items: other min_df or "
                            "max_df, or text=false",
                            dataset.name(), options.features.min_df, options.features.max_df),
                "text");
  text->by_token = text->features.transposed();
  text->items_read = options.text_items;
  TRY(SparseMatrix kernel, kernel_of(text->features, text->by_token, options.neighbours,
                                     course.threads(), step_within(step, 0.3, 1)));
  text->kernel = std::make_shared<const SparseMatrix>(std::move(kernel));
  course.end();
  return text;
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::kInternal,
              fmt::format("the text of {} items does not fit into memory: lower neighbours",
                          dataset.items()));
}

}  // namespace rapport::retrieval
