// A library of our own that is opened when it is needed: what it is linked with is not loaded
// before.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "rapport/base/result.h"

namespace rapport::base {

struct OpenedLibrary {
  const char* file;     // librapport_training.so
  const char* symbol;   // what it offers
  const char* built;    // where the build left it; "" where it was built without
  const char* option;   // of CMake: RAPPORT_TRAINING
  const char* needs;    // "training needs libtorch"
  const char* package;  // what brings it
};

/// Beside the program, then in ../lib/rapport, then where it was built; "" when there is none, or
/// the program was built without: one that lies there nevertheless belongs to another build.
std::filesystem::path library_path(const OpenedLibrary& library);

/// The address of the symbol; the library is never closed. Errors: kUnsupported, saying what is
/// missing.
Result<const void*> open_library(const OpenedLibrary& library);

/// Debian's OpenBLAS 0.3.21, which comes with libtorch, takes a processor that is younger than
/// itself for a Pentium 4; this tells it a family that the processor has the instructions of,
/// through OPENBLAS_CORETYPE, unless that is set. It must be called before OpenBLAS is loaded, and
/// while the process has one thread, for others may read the environment: at the start of main.
void choose_blas_kernels();

/// Of a library whose offer says another build than the program's.
tl::unexpected<Error> other_build(const OpenedLibrary& library);

/// What a library with libtorch or faiss offers: an `Offer`, whose `build` must be that of the
/// program. Errors: as open_library; kUnsupported for another build.
template <typename Offer>
Result<const Offer*> open_offer(const OpenedLibrary& library, std::uint64_t build) {
  choose_blas_kernels();
  TRY(const void* const found, open_library(library));
  const auto* const offer = static_cast<const Offer*>(found);
  if (offer->build != build) return other_build(library);
  return offer;
}

}  // namespace rapport::base
