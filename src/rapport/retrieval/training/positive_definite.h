// Solves A·X = C for a symmetric positive definite A of a catalogue's size: Cholesky in tiles, each
// tile libtorch's on one core, tiles side by side.
//
// libtorch's own calls would do the same in two lines, but they copy both matrices, cannot be
// stopped, and their sums depend on the number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "rapport/base/result.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

struct Solving {
  /// X = A⁻¹: C is the identity, which saves a sixth.
  bool invert = false;
  WorkStep step = {};
};

/// a [n × n] (the lower half is read, the whole is spoilt), c [n × columns]: becomes X. Needs no
/// memory beside but a few tiles a thread and n × 512 floats. The same for any number of threads.
/// Errors: kInvalidArgument when `a` is not positive definite in f32; those of `step`. Throws what
/// libtorch does.
Result<void> solve_positive_definite(std::span<float> a, std::span<float> c, std::int64_t n,
                                     TrainingThreads& threads, const Solving& solving);

}  // namespace rapport::retrieval
