#include "rapport/retrieval/training/train_ridge.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/text_features.h"
#include "rapport/retrieval/training/closed_form.h"
#include "rapport/retrieval/training/positive_definite.h"
#include "rapport/retrieval/training/sparse_product.h"
#include "rapport/retrieval/training/staged_fit.h"
#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

/// Entries of S that are held at a time: some 100 MB with its transpose.
constexpr std::size_t kEntriesAtOnce = 4'000'000;

/// One row a target: what was taken before it, and the target.
struct Targets {
  SparseMatrix before, target;

  explicit Targets(std::int64_t items) : before{.columns = items}, target{.columns = items} {}

  void add(std::span<const data::ItemIndex> history, const std::vector<float>& weights) {
    for (std::size_t t = 1; t < history.size(); ++t) {
      for (std::size_t age = 0; age < std::min(t, weights.size()); ++age) {
        before.indices.push_back(history[t - 1 - age]);
        before.values.push_back(weights[age]);
      }
      before.end_row();
      target.indices.push_back(history[t]);
      target.values.push_back(1);
      target.end_row();
    }
  }
};

class Equations {
 public:
  explicit Equations(std::int64_t items)
      : items_(items),
        left_(static_cast<std::size_t>(items * items)),
        right_(static_cast<std::size_t>(items * items)) {}

  /// αK on the left, α(K − diag K) on the right. Called first, while both are zero.
  Result<void> add_text(const SparseMatrix& features, float alpha, TrainingThreads& threads,
                        const WorkStep& step) {
    const SparseMatrix by_token = features.transposed();
    TRY_VOID(add_product(by_token, by_token, alpha, threads, step, right_));
    std::ranges::copy(right_, left_.begin());
    for (std::int64_t i = 0; i < items_; ++i) right_[diagonal(i)] = 0;
    return {};
  }

  /// SᵀS on the left, SᵀY on the right.
  Result<void> add_targets(const data::Dataset& dataset, const RidgeOptions& options,
                           TrainingThreads& threads, const WorkStep& step) {
    std::vector<float> weights(static_cast<std::size_t>(options.window));
    double weight = 1;
    for (float& each : weights) {
      each = static_cast<float>(weight);
      weight *= options.decay;
    }
    Targets targets(items_);
    std::int64_t begin = 0;  // of the users whose targets those are
    const auto users = static_cast<double>(dataset.users());
    const auto add = [&](std::int64_t end) -> Result<void> {
      const WorkStep within =
          step_within(step, static_cast<double>(begin) / users, static_cast<double>(end) / users);
      TRY_VOID(add_product(targets.before, targets.before, 1, threads, step_within(within, 0, 0.9),
                           left_));
      TRY_VOID(add_product(targets.before, targets.target, 1, threads, step_within(within, 0.9, 1),
                           right_));
      targets = Targets(items_);
      begin = end;
      return {};
    };
    for (data::UserIndex user = 0; user < dataset.users(); ++user) {
      targets.add(data::training_history(dataset, user), weights);
      if (targets.before.values.size() >= kEntriesAtOnce) TRY_VOID(add(user + 1));
    }
    return add(dataset.users());
  }

  void add_to_diagonal(float lambda) {
    for (std::int64_t i = 0; i < items_; ++i) left_[diagonal(i)] += lambda;
  }

  /// What solves them, in the place of the right-hand side.
  Result<std::span<const float>> solve(TrainingThreads& threads, const WorkStep& step) {
    TRY_VOID(solve_positive_definite(left_, right_, items_, threads, {.step = step}));
    return right_;
  }

 private:
  std::size_t diagonal(std::int64_t i) const { return static_cast<std::size_t>(i * (items_ + 1)); }

  std::int64_t items_;
  std::vector<float> left_, right_;  // [items × items]
};

Result<Fit> fit(const data::Dataset& dataset, const RidgeOptions& options,
                const FitContext& context) {
  TRY_VOID(check_closed_form(dataset, 2, 2));
  const std::int64_t items = dataset.items();
  const bool reads_text = options.alpha > 0;
  StagedFit form(dataset, context, reads_text ? 5 : 4);
  const WorkStep step = [&](double done) { return form.step(done); };
  Equations equations(items);

  if (reads_text) {
    TRY_VOID(form.begin("text"));
    TRY(const SparseMatrix features, text_features(dataset.catalogue(), options.text,
                                                   form.threads(), step_within(step, 0, 0.3)));
    if (features.columns == 0)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("no token of the text of {} is in {} to {} items: other min_df or "
                              "max_df, or alpha=0",
                              dataset.name(), options.text.min_df, options.text.max_df),
                  "alpha");
    TRY_VOID(equations.add_text(features, static_cast<float>(options.alpha), form.threads(),
                                step_within(step, 0.3, 1)));
  }

  TRY_VOID(form.begin("products"));
  TRY_VOID(equations.add_targets(dataset, options, form.threads(), step));
  equations.add_to_diagonal(static_cast<float>(options.lambda));

  TRY_VOID(form.begin("solution"));
  TRY(const std::span<const float> weights, equations.solve(form.threads(), step));

  TRY_VOID(form.begin("largest weights"));
  TRY(SparseMatrix kept, keep_largest(weights, items, options.entries, form.threads(), step));
  return form.finish(std::make_unique<Ridge>(std::move(kept), options.reading()),
                     options.to_json());
}

}  // namespace

Result<Fit> train_ridge(const data::Dataset& dataset, const RidgeOptions& options,
                        const FitContext& context) {
  return within_memory("ridge", dataset, "train a model of sequences",
                       [&] { return fit(dataset, options, context); });
}

}  // namespace rapport::retrieval
