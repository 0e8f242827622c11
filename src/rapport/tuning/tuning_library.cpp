#include "rapport/tuning/tuning_library.h"

#include "rapport/base/opened_library.h"

namespace rapport::tuning {
namespace {

constexpr base::OpenedLibrary kLibrary{.file = "librapport_tuning.so",
                                       .symbol = "rapport_tuning_library",
                                       .built = RAPPORT_TUNING_LIBRARY,
                                       .option = "RAPPORT_TRAINING",
                                       .needs = "tuning needs libtorch",
                                       .package = "libtorch-dev"};

}  // namespace

Result<const TuningLibrary*> tuning_library() {
  static const Result<const TuningLibrary*> kOpened =
      base::open_offer<TuningLibrary>(kLibrary, kTuningBuild);
  return kOpened;
}

}  // namespace rapport::tuning
