// The library that trains: opened when somebody does, so that the program starts, and runs, without
// libtorch.
#pragma once

#include "rapport/retrieval/bert4rec_encoder.h"
#include "rapport/retrieval/bert4rec_options.h"
#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/caser_options.h"
#include "rapport/retrieval/cross_entropy.h"
#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/fold_in.h"
#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/gru4rec_options.h"
#include "rapport/retrieval/kernels.h"
#include "rapport/retrieval/narrow_product.h"
#include "rapport/retrieval/packed_attention.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/ridge.h"
#include "rapport/retrieval/sasrec_options.h"

namespace rapport::retrieval {

/// What the library offers. It is built with the program and fits no other build of it.
struct TrainingLibrary {
  std::uint64_t build = 0;  // kTrainingBuild of the build it belongs to
  /// As fit_retriever, for the kinds that need libtorch.
  Result<Fit> (*fit)(std::string_view kind, const data::Dataset& dataset,
                     const Assignments& assignments, const FitContext& context) = nullptr;
};

/// Changes when a size of what passes between the two does, or of what one of them makes and the
/// other fills. The number in front is for changes that move no size.
inline constexpr std::uint64_t kTrainingBuild = [] {
  std::uint64_t build = 9;
  for (const std::size_t size : {sizeof(Bert4recOptions),
                                 sizeof(Bert4recWeights),
                                 sizeof(Bert4recEncoder),
                                 sizeof(Bert4rec),
                                 sizeof(FusionOptions),
                                 sizeof(Fusion),
                                 sizeof(FusionMember),
                                 sizeof(CaserOptions),
                                 sizeof(CaserWeights),
                                 sizeof(CaserLayer),
                                 sizeof(CaserTrace),
                                 sizeof(Windows),
                                 sizeof(FoldIn),
                                 sizeof(Gru4recOptions),
                                 sizeof(Gru4recWeights),
                                 sizeof(SasrecOptions),
                                 sizeof(EaseOptions),
                                 sizeof(RidgeOptions),
                                 sizeof(SparseMatrix),
                                 sizeof(TextOptions),
                                 sizeof(TextScores),
                                 sizeof(KernelLogits),
                                 sizeof(TrainingOptions),
                                 sizeof(FitContext),
                                 sizeof(FitProgress),
                                 sizeof(Fit),
                                 sizeof(data::Dataset),
                                 sizeof(SasrecBlock),
                                 sizeof(SasrecWeights),
                                 sizeof(SequenceModel),
                                 sizeof(Sasrec),
                                 sizeof(Gru4rec),
                                 sizeof(Caser),
                                 sizeof(WeightPlace),
                                 sizeof(ItemPanels),
                                 sizeof(PackedSequences),
                                 sizeof(CrossEntropy),
                                 sizeof(CrossEntropy::Batch),
                                 sizeof(NarrowProduct),
                                 sizeof(PackedAttention),
                                 sizeof(PackedAttentionGradients),
                                 sizeof(AdamStep),
                                 sizeof(base::OptionSet)})
    build = build * 1'000'003 + size;
  return build;
}();

/// Looked for beside the program, then where it was built. Opened once, never closed. Errors:
/// kUnsupported, saying what is missing (no such library, no libtorch on this machine).
Result<const TrainingLibrary*> training_library();

}  // namespace rapport::retrieval
