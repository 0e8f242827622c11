#include "rapport/retrieval/training_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace rapport::retrieval {
namespace {

constexpr const char* kFile = "librapport_training.so";
constexpr const char* kSymbol = "rapport_training_library";

/// The library's place; "" when there is none.
std::filesystem::path place() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const std::filesystem::path& path :
       {program.parent_path() / kFile,
        program.parent_path().parent_path() / "lib" / "rapport" / kFile,
        std::filesystem::path(RAPPORT_TRAINING_LIBRARY)}) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

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

Result<const TrainingLibrary*> open_library() {
  choose_blas_kernels();
  const std::filesystem::path path = place();
  if (path.empty())
    return fail(ErrorCode::kUnsupported,
                fmt::format("this build cannot train: {} is not beside the program (it was made "
                            "with -DRAPPORT_TRAINING=OFF); it serves models trained elsewhere",
                            kFile));
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    return fail(ErrorCode::kUnsupported,
                fmt::format("training needs {} and libtorch, and they cannot be loaded here ({}): "
                            "apt-get install libtorch-dev, or build again",
                            kFile, dlerror()));
  const auto* const found = static_cast<const TrainingLibrary*>(dlsym(library, kSymbol));
  if (found == nullptr || found->build != kTrainingBuild)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} belongs to another build of Rapport: build again", path.string()));
  return found;
}

}  // namespace

void choose_blas_kernels() {
  if (const char* const family = blas_family(); family != nullptr)
    setenv("OPENBLAS_CORETYPE", family, /*overwrite=*/0);
}

Result<const TrainingLibrary*> training_library() {
  static const Result<const TrainingLibrary*> kLibrary = open_library();
  return kLibrary;
}

bool training_is_built() {
  return !place().empty();
}

}  // namespace rapport::retrieval
