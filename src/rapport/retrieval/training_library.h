// The library that trains: opened when somebody does, so that the program starts, and runs, without
// libtorch.
#pragma once

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sasrec_options.h"

namespace rapport::retrieval {

/// What the library offers. It is built with the program and fits no other build of it.
struct TrainingLibrary {
  const char* build = "";  // kTrainingBuild of the build it belongs to
  /// With resolved options; else as RetrieverKind::fit.
  Result<Fit> (*fit_sasrec)(const data::Dataset& dataset, const SasrecOptions& options,
                            const FitContext& context) = nullptr;
};

/// Changes when TrainingLibrary or anything passed through it does.
inline constexpr const char* kTrainingBuild = "1";

/// Looked for beside the program, then where it was built. Opened once, never closed. Errors:
/// kUnsupported, saying what is missing (no such library, no libtorch on this machine).
Result<const TrainingLibrary*> training_library();

}  // namespace rapport::retrieval
