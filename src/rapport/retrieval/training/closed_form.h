// The course of every fit that is one system of equations over items × items: named stages instead
// of epochs, a check that memory suffices, the largest weights kept, one validation at the end.
//
//   ClosedForm form(dataset, context, /*stages=*/5);
//   TRY_VOID(form.begin("products"));
//   …
//   return form.finish(std::move(model), options.to_json());
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

class ClosedForm {
 public:
  /// `stages` in all, which `begin` names one by one.
  ClosedForm(const data::Dataset& dataset, const FitContext& context, std::int64_t stages);

  std::int64_t threads() const { return threads_; }

  /// Ends the stage before and reports it. Errors: kCancelled when a stop was asked for.
  Result<void> begin(std::string_view stage);
  /// Within a stage: Solving::step. Errors: kCancelled.
  Result<void> step(double done);

  /// Validates, the last stage. Errors: kCancelled; those of rank_held_out.
  Result<Fit> finish(std::unique_ptr<Retriever> model, Json options);

 private:
  void end();
  void report(double done) const;

  const data::Dataset& dataset_;
  const FitContext& context_;
  const std::int64_t threads_, stages_;
  std::int64_t stage_ = 0;  // from 1, under way
  std::string name_;
  std::chrono::nanoseconds start_, stage_start_;
  Json seconds_ = Json::object();  // by stage
};

/// Errors: kInvalidArgument for a catalogue of which `matrices` of items × items floats do not fit
/// into this machine's memory, or a data set of which no user has `least` interactions to learn
/// from.
Result<void> check_closed_form(const data::Dataset& dataset, std::int64_t matrices,
                               std::int64_t least);

/// Of each row of `weights` [items × items] the largest entries. Errors: kInternal when one is no
/// number.
Result<SparseMatrix> keep_largest(std::span<const float> weights, std::int64_t items,
                                  std::int64_t most, std::int64_t threads);

/// `fit` with what libtorch and a lack of memory throw as kInternal.
Result<Fit> guarded(std::string_view kind, const std::function<Result<Fit>()>& fit);

}  // namespace rapport::retrieval
