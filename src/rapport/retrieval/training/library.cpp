// What librapport_training.so offers to the program that opens it.
#include <fmt/format.h>

#include "rapport/retrieval/bert4rec_options.h"
#include "rapport/retrieval/caser_options.h"
#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/gru4rec_options.h"
#include "rapport/retrieval/ridge.h"
#include "rapport/retrieval/sasrec_options.h"
#include "rapport/retrieval/training_library.h"

#include "rapport/retrieval/training/train_bert4rec.h"
#include "rapport/retrieval/training/train_caser.h"
#include "rapport/retrieval/training/train_ease.h"
#include "rapport/retrieval/training/train_fusion.h"
#include "rapport/retrieval/training/train_gru4rec.h"
#include "rapport/retrieval/training/train_ridge.h"
#include "rapport/retrieval/training/train_sasrec.h"

namespace rapport::retrieval {
namespace {

template <typename Options>
using Train = Result<Fit> (*)(const data::Dataset& dataset, const Options& options,
                              const FitContext& context);

template <typename Options, Train<Options> train>
Result<Fit> fit_with(const data::Dataset& dataset, const Assignments& assignments,
                     const FitContext& context) {
  TRY(const Options options, read_options<Options>(dataset, assignments));
  return train(dataset, options, context);
}

constexpr struct {
  std::string_view kind;
  Result<Fit> (*fit)(const data::Dataset& dataset, const Assignments& assignments,
                     const FitContext& context);
} kTrainers[] = {
    {"bert4rec", fit_with<Bert4recOptions, train_bert4rec>},
    {"gru4rec", fit_with<Gru4recOptions, train_gru4rec>},
    {"caser", fit_with<CaserOptions, train_caser>},
    {"ease", fit_with<EaseOptions, train_ease>},
    {"ridge", fit_with<RidgeOptions, train_ridge>},
    {"sasrec", fit_with<SasrecOptions, train_sasrec>},
    {"fusion", fit_with<FusionOptions, train_fusion>},
};

Result<Fit> fit(std::string_view kind, const data::Dataset& dataset, const Assignments& assignments,
                const FitContext& context) {
  for (const auto& trainer : kTrainers)
    if (trainer.kind == kind) return trainer.fit(dataset, assignments, context);
  return fail(ErrorCode::kInternal, fmt::format("no trainer of {} in the library", kind));
}

}  // namespace
}  // namespace rapport::retrieval

extern "C" {
extern const rapport::retrieval::TrainingLibrary rapport_training_library;
const rapport::retrieval::TrainingLibrary rapport_training_library{
    .build = rapport::retrieval::kTrainingBuild, .fit = &rapport::retrieval::fit};
}
