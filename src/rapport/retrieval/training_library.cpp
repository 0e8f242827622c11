#include "rapport/retrieval/training_library.h"

#include "rapport/base/opened_library.h"

namespace rapport::retrieval {
namespace {

constexpr base::OpenedLibrary kLibrary{.file = "librapport_training.so",
                                       .symbol = "rapport_training_library",
                                       .built = RAPPORT_TRAINING_LIBRARY,
                                       .option = "RAPPORT_TRAINING",
                                       .needs = "training needs libtorch",
                                       .package = "libtorch-dev"};

}  // namespace

Result<const TrainingLibrary*> training_library() {
  static const Result<const TrainingLibrary*> kOpened =
      base::open_offer<TrainingLibrary>(kLibrary, kTrainingBuild);
  return kOpened;
}

bool training_is_built() {
  return !base::library_path(kLibrary).empty();
}

bool can_train(const RetrieverKind& kind) {
  return !kind.needs_libtorch || training_is_built();
}

}  // namespace rapport::retrieval
