#include "rapport/retrieval/training/train_ease.h"

#include <algorithm>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/training/closed_form.h"
#include "rapport/retrieval/training/positive_definite.h"
#include "rapport/retrieval/training/sparse_product.h"
#include "rapport/retrieval/training/staged_fit.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

/// What each user took to learn from, each item once: [users × items].
SparseMatrix taken(const data::Dataset& dataset) {
  SparseMatrix matrix{.columns = dataset.items()};
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    const auto items = distinct_items(data::training_history(dataset, user));
    matrix.indices.insert(matrix.indices.end(), items.begin(), items.end());
    matrix.values.resize(matrix.indices.size(), 1.0f);
    matrix.end_row();
  }
  return matrix;
}

/// P becomes I − P·diag(1 / diag P), with an exact zero diagonal.
void weights_of_inverse(std::span<float> p, std::int64_t items, TrainingThreads& threads) {
  const auto n = static_cast<std::size_t>(items);
  std::vector<float> scale(n);
  for (std::size_t i = 0; i < n; ++i) scale[i] = -1 / p[i * (n + 1)];
  threads.each(items, [&](std::int64_t row) {
    const auto i = static_cast<std::size_t>(row);
    for (std::size_t j = 0; j < n; ++j) p[i * n + j] *= scale[j];
    p[i * (n + 1)] = 0;
  });
}

Result<Fit> fit(const data::Dataset& dataset, const EaseOptions& options,
                const FitContext& context) {
  TRY_VOID(check_closed_form(dataset, 2, 2));
  const std::int64_t items = dataset.items();
  const auto cells = static_cast<std::size_t>(items * items);
  StagedFit form(dataset, context, 4);

  const WorkStep step = [&](double done) { return form.step(done); };
  TRY_VOID(form.begin("products"));
  std::vector<float> gram(cells);
  const SparseMatrix x = taken(dataset);
  TRY_VOID(add_product(x, x, 1, form.threads(), step, gram));
  for (std::int64_t i = 0; i < items; ++i)
    gram[static_cast<std::size_t>(i * (items + 1))] += static_cast<float>(options.lambda);

  TRY_VOID(form.begin("inverse"));
  std::vector<float> weights(cells);
  TRY_VOID(solve_positive_definite(gram, weights, items, form.threads(),
                                   {.invert = true, .step = step}));

  TRY_VOID(form.begin("largest weights"));
  weights_of_inverse(weights, items, form.threads());
  TRY(SparseMatrix kept, keep_largest(weights, items, options.entries, form.threads(), step));
  return form.finish(std::make_unique<Ease>(std::move(kept)), options.to_json());
}

}  // namespace

Result<Fit> train_ease(const data::Dataset& dataset, const EaseOptions& options,
                       const FitContext& context) {
  return within_memory("ease", dataset, "train a model of sequences",
                       [&] { return fit(dataset, options, context); });
}

}  // namespace rapport::retrieval
