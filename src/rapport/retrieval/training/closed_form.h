// What the fits that solve one system of equations over items × items have in common: a check that
// memory suffices, and the largest weights kept.
#pragma once

#include <cstdint>
#include <span>

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sparse_matrix.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

/// Errors: kInvalidArgument for a catalogue of which `matrices` of items × items floats do not fit
/// into this machine's memory, or a data set of which no user has `least` interactions to learn
/// from.
Result<void> check_closed_form(const data::Dataset& dataset, std::int64_t matrices,
                               std::int64_t least);

/// Of each row of `weights` [items × items] the largest entries. Errors: kInternal when one is no
/// number; those of `step`.
Result<SparseMatrix> keep_largest(std::span<const float> weights, std::int64_t items,
                                  std::int64_t most, TrainingThreads& threads,
                                  const WorkStep& step);

}  // namespace rapport::retrieval
