// The course of every fit that has named stages instead of epochs: each reported, with its seconds,
// and one validation at the end.
//
//   StagedFit course(dataset, context, /*stages=*/5);
//   TRY_VOID(course.begin("products"));
//   …
//   return course.finish(std::move(model), options.to_json());
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

class StagedFit {
 public:
  /// `stages` in all, which `begin` names one by one, and `share` [0, 1] of the fit: less than 1
  /// where others follow.
  StagedFit(const data::Dataset& dataset, const FitContext& context, std::int64_t stages,
            double share = 1);

  TrainingThreads& threads() { return threads_; }

  /// Ends the stage before and reports it. Errors: kCancelled when a stop was asked for.
  Result<void> begin(std::string_view stage);
  /// Within a stage, `done` [0, 1] of it. Errors: kCancelled.
  Result<void> step(double done);

  /// Reports the stage under way as done.
  void end();
  /// Validates, the last stage. Errors: kCancelled; those of rank_held_out.
  Result<Fit> finish(std::unique_ptr<Retriever> model, Json options);

 private:
  void report(double done) const;

  const data::Dataset& dataset_;
  const FitContext& context_;
  TrainingThreads threads_;
  const std::int64_t stages_;
  const double share_;
  std::int64_t stage_ = 0;  // from 1, under way
  std::string name_;
  std::chrono::nanoseconds start_, stage_start_;
  Json seconds_ = Json::object();  // by stage
};

}  // namespace rapport::retrieval
