#include "rapport/retrieval/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rapport/retrieval/bert4rec.h"
#include "rapport/retrieval/bert4rec_options.h"
#include "rapport/retrieval/bprmf.h"
#include "rapport/retrieval/caser.h"
#include "rapport/retrieval/caser_options.h"
#include "rapport/retrieval/e4srec.h"
#include "rapport/retrieval/ease.h"
#include "rapport/retrieval/fpmc.h"
#include "rapport/retrieval/fusion.h"
#include "rapport/retrieval/gru4rec.h"
#include "rapport/retrieval/gru4rec_options.h"
#include "rapport/retrieval/lightgcn.h"
#include "rapport/retrieval/ncf.h"
#include "rapport/retrieval/ncf_trainer.h"
#include "rapport/retrieval/popularity.h"
#include "rapport/retrieval/ridge.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/retrieval/sasrec_options.h"
#include "rapport/retrieval/training_library.h"

namespace rapport::retrieval {
namespace {

Result<Fit> fit_popularity(std::string_view, const data::Dataset& dataset,
                           const Assignments& assignments, const FitContext& context) {
  base::OptionSet none;
  TRY_VOID(assign_options(none, assignments));
  Fit fit;
  fit.model = Popularity::fit(dataset);
  fit.seed = context.seed;
  return fit;
}

Json popularity_options() {
  return Json::array();
}

/// What is wrong with the options is told where libtorch is missing too.
template <typename Options>
Result<Fit> fit_in_library(std::string_view kind, const data::Dataset& dataset,
                           const Assignments& assignments, const FitContext& context) {
  TRY_VOID(read_options<Options>(dataset, assignments).map([](const Options&) {}));
  TRY(const TrainingLibrary* const library, training_library());
  return library->fit(kind, dataset, assignments, context);
}

constexpr RetrieverKind kKinds[] = {
    {.name = "popularity",
     .summary = "how often each item was taken; the same for everybody",
     .source = "Cremonesi, Koren & Turrin 2010",
     .options = popularity_options,
     .fit = fit_popularity,
     .load = Popularity::load},
    {.name = "bprmf",
     .summary = "matrix factorisation, trained to rank what was taken above what was not",
     .source = "Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009",
     .options = default_options<BprmfOptions>,
     .fit = fit_bprmf,
     .load = load_bprmf},
    {.name = "fpmc",
     .summary = "matrix factorisation and a factorised Markov chain from item to item",
     .source = "Rendle, Freudenthaler & Schmidt-Thieme 2010",
     .options = default_options<FpmcOptions>,
     .fit = fit_fpmc,
     .load = load_fpmc},
    {.name = "lightgcn",
     .summary =
         "matrix factorisation over a graph: factors are those of neighbours, layer by layer",
     .source = "He, Deng, Wang, Li, Zhang & Wang 2020",
     .options = default_options<LightgcnOptions>,
     .fit = fit_lightgcn,
     .load = load_lightgcn},
    {.name = "ncf",
     .summary = "matrix factorisation beside a multilayer perceptron, both over user and item",
     .source = "He, Liao, Zhang, Nie, Hu & Chua 2017",
     .options = default_options<NcfOptions>,
     .fit = fit_ncf,
     .load = Ncf::load},
    {.name = "gru4rec",
     .summary = "gated recurrent units over the history, full softmax cross-entropy",
     .source = "Hidasi et al. 2016; Xu et al. 2024",
     .needs_libtorch = true,
     .options = default_options<Gru4recOptions>,
     .fit = fit_in_library<Gru4recOptions>,
     .load = Gru4rec::load},
    {.name = "caser",
     .summary = "convolutions over the newest items, full softmax cross-entropy",
     .source = "Tang & Wang 2018; Xu et al. 2024",
     .needs_libtorch = true,
     .options = default_options<CaserOptions>,
     .fit = fit_in_library<CaserOptions>,
     .load = Caser::load},
    {.name = "bert4rec",
     .summary = "a transformer that reads the history both ways and fills in masked items",
     .source = "Sun et al. 2019",
     .needs_libtorch = true,
     .options = default_options<Bert4recOptions>,
     .fit = fit_in_library<Bert4recOptions>,
     .load = Bert4rec::load},
    {.name = "ease",
     .summary = "weighted sum over the history, every other item's weight in closed form",
     .source = "Steck 2019",
     .needs_libtorch = true,
     .options = default_options<EaseOptions>,
     .fit = fit_in_library<EaseOptions>,
     .load = Ease::load},
    {.name = "ridge",
     .summary = "what was taken lately predicts what comes next, with items' text, in closed form",
     .source = "Hoerl & Kennard 1970; after Steck 2019 and Choi et al. 2021",
     .needs_libtorch = true,
     .options = default_options<RidgeOptions>,
     .fit = fit_in_library<RidgeOptions>,
     .load = Ridge::load},
    {.name = "sasrec",
     .summary = "self-attention over the history, full softmax cross-entropy",
     .source = "Kang & McAuley 2018; Klenitskiy & Vasilev 2023",
     .needs_libtorch = true,
     .options = default_options<SasrecOptions>,
     .fit = fit_in_library<SasrecOptions>,
     .load = Sasrec::load},
    {.name = "e4srec",
     .summary = "a language model that reads items, as vectors of another model, in place of words",
     .source = "Li et al. 2023",
     .needs_libtorch = true,
     .made_of = "items",
     .fewest_parts = 1,
     .options = default_options<E4srecOptions>,
     .fit = fit_e4srec,
     .load = E4srec::load},
    {.name = "fusion",
     .summary = "weighted sum of trained models' scores, the weights found on the validation items",
     .source = "Vogt & Cottrell 1999; Montague & Aslam 2001",
     .needs_libtorch = true,
     .made_of = "models",
     .fewest_parts = 2,
     .options = default_options<FusionOptions>,
     .fit = fit_in_library<FusionOptions>,
     .load = Fusion::load},
};

}  // namespace

std::span<const RetrieverKind> retriever_kinds() {
  return kKinds;
}

Result<const RetrieverKind*> find_retriever_kind(std::string_view name) {
  std::vector<std::string> names;
  for (const RetrieverKind& kind : kKinds) {
    if (kind.name == name) return &kind;
    names.emplace_back(kind.name);
  }
  const std::string near = base::nearest(name, names);
  return fail(ErrorCode::kNotFound,
              fmt::format("there is no model \"{}\"{}: choose from {}", name,
                          near.empty() ? "" : fmt::format(" (did you mean {}?)", near),
                          fmt::join(names, ", ")),
              "model");
}

Result<Fit> fit_retriever(std::string_view name, const data::Dataset& dataset,
                          const Assignments& assignments, const FitContext& context) {
  TRY(const RetrieverKind* const kind, find_retriever_kind(name));
  TRY_VOID(check_no_stopped_training(context));  // before texts are read for nothing
  return kind->fit(kind->name, dataset, assignments, context);
}

Json options_as_json(const base::OptionSet& set) {
  Json list = Json::array();
  for (const base::OptionSet::Option& option : set.options()) {
    Json entry = {
        {"key", option.key}, {"default", base::OptionSet::value(option)}, {"help", option.help}};
    if (option.bounded) {
      entry["minimum"] = option.minimum;
      entry["maximum"] = option.maximum;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Result<void> assign_options(base::OptionSet& set, const Assignments& assignments) {
  for (const auto& [key, value] : assignments) {
    const auto& known = set.options();
    if (key == "device" &&
        std::ranges::find(known, key, &base::OptionSet::Option::key) == known.end())
      return fail(ErrorCode::kInvalidArgument,
                  "device: this model is trained on the processor alone: leave device out", key);
    TRY_VOID(set.assign(key, value, "--set"));
  }
  return {};
}

}  // namespace rapport::retrieval
