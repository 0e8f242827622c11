#include "rapport/retrieval/training/closed_form.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/evaluation/full_ranking.h"
#include "rapport/retrieval/training/parallel.h"
#include "rapport/retrieval/training/sparse_product.h"

namespace rapport::retrieval {
namespace {

double in_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

ClosedForm::ClosedForm(const data::Dataset& dataset, const FitContext& context, std::int64_t stages)
    : dataset_(dataset),
      context_(context),
      threads_(thread_count(context.threads)),
      stages_(stages),
      start_(context.clock.steady().time_since_epoch()),
      stage_start_(start_) {}

Result<void> ClosedForm::begin(std::string_view stage) {
  end();
  name_ = stage;
  ++stage_;
  stage_start_ = context_.clock.steady().time_since_epoch();
  return step(0);
}

Result<void> ClosedForm::step(double done) {
  if (context_.stop_token.stop_requested())
    return fail(ErrorCode::kCancelled, fmt::format("stopped: {}", name_));
  // The last word on a stage is `end`'s, with its seconds.
  if (done > 0 && done < 1) report(done);
  return {};
}

void ClosedForm::end() {
  if (stage_ == 0) return;
  report(1);
  seconds_[name_] = in_seconds(context_.clock.steady().time_since_epoch() - stage_start_);
}

void ClosedForm::report(double done) const {
  if (!context_.on_progress) return;
  FitProgress progress;
  progress.stage = name_;
  progress.stage_done = done;
  progress.epoch = stage_;
  progress.epochs = stages_;
  progress.done = (static_cast<double>(stage_ - 1) + done) / static_cast<double>(stages_);
  progress.seconds = in_seconds(context_.clock.steady().time_since_epoch() - stage_start_);
  context_.on_progress(progress);
}

Result<Fit> ClosedForm::finish(std::unique_ptr<Retriever> model, Json options) {
  TRY_VOID(begin("validation"));
  Fit fit;
  fit.model = std::move(model);
  fit.seed = context_.seed;
  fit.options = std::move(options);
  TRY(const auto ranking,
      evaluation::rank_held_out(dataset_,
                                [&fit](std::span<const Query> queries, std::span<float> scores) {
                                  return fit.model->score(queries, scores);
                                },
                                {.split = data::Split::kValidation, .threads = threads_}));
  end();
  fit.report = {{"seconds", in_seconds(context_.clock.steady().time_since_epoch() - start_)},
                {"stages", seconds_},
                {"validation", {{"ndcg@10", ranking.metrics().mean(evaluation::ndcg_at(10))}}}};
  return fit;
}

Result<void> check_closed_form(const data::Dataset& dataset, std::int64_t matrices,
                               std::int64_t least) {
  const auto items = static_cast<double>(dataset.items());
  const double needed = static_cast<double>(matrices) * items * items * sizeof(float);
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > memory)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} items: {} matrices of that by that take {:.0f} GB, and this "
                            "machine has {:.0f}: train a model of sequences",
                            dataset.name(), dataset.items(), matrices, needed / 1e9, memory / 1e9),
                "data");
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    if (static_cast<std::int64_t>(data::training_history(dataset, user).size()) >= least) return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has no user with {} interactions: there is nothing to learn from",
                          dataset.name(), least + 2),
              "data");
}

Result<SparseMatrix> keep_largest(std::span<const float> weights, std::int64_t items,
                                  std::int64_t most, std::int64_t threads) {
  if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); }))
    return fail(ErrorCode::kInternal, "the weights are no numbers: raise lambda");
  return largest_of_rows(items, items, most, threads, [&](std::int64_t row, std::vector<float>&) {
    return weights.subspan(static_cast<std::size_t>(row * items), static_cast<std::size_t>(items));
  });
}

Result<Fit> guarded(std::string_view kind, const std::function<Result<Fit>()>& fit) {
  try {
    return fit();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kInternal, fmt::format("{} does not fit into memory", kind));
  } catch (const std::exception& error) {  // libtorch's
    return fail(ErrorCode::kInternal, fmt::format("training failed: {}", error.what()));
  }
}

}  // namespace rapport::retrieval
