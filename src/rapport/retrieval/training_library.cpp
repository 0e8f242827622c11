#include "rapport/retrieval/training_library.h"

#include <cstdlib>

#include "rapport/retrieval/opened_library.h"

namespace rapport::retrieval {
namespace {

constexpr OpenedLibrary kLibrary{.file = "librapport_training.so",
                                 .symbol = "rapport_training_library",
                                 .built = RAPPORT_TRAINING_LIBRARY,
                                 .option = "RAPPORT_TRAINING",
                                 .needs = "training needs libtorch",
                                 .package = "libtorch-dev"};

/// The name that OpenBLAS has for kernels of this processor's instructions; null for none that is
/// better than its own choice.
const char* blas_family() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return nullptr;
}

Result<const TrainingLibrary*> open_training_library() {
  choose_blas_kernels();
  TRY(const void* const offer, open_library(kLibrary));
  const auto* const found = static_cast<const TrainingLibrary*>(offer);
  if (found->build != kTrainingBuild) return other_build(kLibrary);
  return found;
}

}  // namespace

void choose_blas_kernels() {
  if (const char* const family = blas_family(); family != nullptr)
    setenv("OPENBLAS_CORETYPE", family, /*overwrite=*/0);
}

Result<const TrainingLibrary*> training_library() {
  static const Result<const TrainingLibrary*> kOpened = open_training_library();
  return kOpened;
}

bool training_is_built() {
  return !library_path(kLibrary).empty();
}

}  // namespace rapport::retrieval
