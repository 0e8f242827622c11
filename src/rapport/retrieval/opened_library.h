// A library of our own that is opened when it is needed: what it is linked with is not loaded
// before.
#pragma once

#include <filesystem>
#include <string>

#include "rapport/base/result.h"

namespace rapport::retrieval {

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

/// Of a library whose offer says another build than the program's.
tl::unexpected<Error> other_build(const OpenedLibrary& library);

}  // namespace rapport::retrieval
