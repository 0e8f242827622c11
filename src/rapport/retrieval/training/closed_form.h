// What the fits that solve one system of equations over items × items have in common: a check that
// memory suffices, and the largest weights kept.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

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
