#include "rapport/base/opened_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <system_error>

namespace rapport::base {
namespace {

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

}  // namespace

std::filesystem::path library_path(const OpenedLibrary& library) {
  if (*library.built == '\0') return {};
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  for (const std::filesystem::path& path :
       {program.parent_path() / library.file,
        program.parent_path().parent_path() / "lib" / "rapport" / library.file,
        std::filesystem::path(library.built)}) {
    if (std::filesystem::exists(path, error)) return path;
  }
  return {};
}

Result<const void*> open_library(const OpenedLibrary& library) {
  const std::filesystem::path path = library_path(library);
  if (path.empty())
    return fail(
        ErrorCode::kUnsupported,
        fmt::format("{}, and {} is {}", library.needs, library.file,
                    *library.built == '\0'
                        ? fmt::format("no part of this build: build with -D{}=ON", library.option)
                        : "not beside the program: build it too"));
  void* const opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}, and {} cannot be loaded here ({}): apt-get install {}, or build "
                            "again",
                            library.needs, library.file, dlerror(), library.package));
  const void* const offer = dlsym(opened, library.symbol);
  if (offer == nullptr) return other_build(library);
  return offer;
}

void choose_blas_kernels() {
  if (const char* const family = blas_family(); family != nullptr)
    setenv("OPENBLAS_CORETYPE", family, /*overwrite=*/0);
}

tl::unexpected<Error> other_build(const OpenedLibrary& library) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{} belongs to another build of Rapport: build again",
                          library_path(library).string()));
}

}  // namespace rapport::base
