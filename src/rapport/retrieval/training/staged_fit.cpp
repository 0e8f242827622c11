#include "rapport/retrieval/training/staged_fit.h"

#include <fmt/format.h>

#include "rapport/retrieval/weight_trainer.h"

namespace rapport::retrieval {
namespace {

double in_seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

StagedFit::StagedFit(const data::Dataset& dataset, const FitContext& context, std::int64_t stages,
                     double share)
    : dataset_(dataset),
      context_(context),
      threads_(context.threads),
      stages_(stages),
      share_(share),
      start_(context.clock.steady().time_since_epoch()),
      stage_start_(start_) {}

Result<void> StagedFit::begin(std::string_view stage) {
  end();
  name_ = stage;
  ++stage_;
  stage_start_ = context_.clock.steady().time_since_epoch();
  return step(0);
}

Result<void> StagedFit::step(double done) {
  if (context_.stop_token.stop_requested())
    return fail(ErrorCode::kCancelled, fmt::format("stopped: {}{}", name_, how_to_go_on(context_)));
  // The last word on a stage is `end`'s, with its seconds.
  if (done > 0 && done < 1) report(done);
  return {};
}

void StagedFit::end() {
  if (stage_ == 0) return;
  report(1);
  seconds_[name_] = in_seconds(context_.clock.steady().time_since_epoch() - stage_start_);
}

void StagedFit::report(double done) const {
  if (!context_.on_progress) return;
  FitProgress progress;
  progress.stage = name_;
  progress.stage_done = done;
  progress.epoch = stage_;
  progress.epochs = stages_;
  progress.done = share_ * (static_cast<double>(stage_ - 1) + done) / static_cast<double>(stages_);
  progress.seconds = in_seconds(context_.clock.steady().time_since_epoch() - stage_start_);
  context_.on_progress(progress);
}

Result<Fit> StagedFit::finish(std::unique_ptr<Retriever> model, Json options) {
  TRY_VOID(begin("validation"));
  Fit fit;
  fit.model = std::move(model);
  fit.seed = context_.seed;
  fit.options = std::move(options);
  TRY(const double ndcg, validation_ndcg(*fit.model, dataset_, context_.threads));
  end();
  fit.report = {{"seconds", in_seconds(context_.clock.steady().time_since_epoch() - start_)},
                {"stages", seconds_},
                {"validation", {{"ndcg@10", ndcg}}}};
  return fit;
}

}  // namespace rapport::retrieval
