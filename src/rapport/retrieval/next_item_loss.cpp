#include "rapport/retrieval/next_item_loss.h"

#include <fmt/format.h>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/interactions.h"
#include "rapport/retrieval/training_options.h"

namespace rapport::retrieval {
namespace {

constexpr struct {
  const char* name;
  SampledLossKind kind;
} kSampled[] = {{"bce", SampledLossKind::kBce},   {"bpr", SampledLossKind::kBpr},
                {"top1", SampledLossKind::kTop1}, {"bpr-max", SampledLossKind::kBprMax},
                {"gbce", SampledLossKind::kGbce}, {"sampled-ce", SampledLossKind::kSampledCe}};

}  // namespace

void NextItemLossOptions::describe(base::OptionSet& set) {
  set.add(
      "loss", loss,
      "ce (softmax over all items), or over negatives: sampled-ce, gbce, bce, bpr, top1, bpr-max");
  set.add("negatives", negatives, "sampled items that a target is compared with; 0: the loss's", 0,
          65'536);
  set.add("negative_exponent", negative_exponent,
          "negatives are drawn as count^exponent; negative: the loss's", -1, 4);
}

Result<NextItemLossOptions> NextItemLossOptions::resolved() const {
  NextItemLossOptions options = *this;
  if (loss == "ce") {
    TRY_VOID(refuse_unread(
        {{"negatives", negatives != 0}, {"negative_exponent", negative_exponent >= 0}},
        "loss=ce compares with all items; name a loss over sampled ones, or "
        "leave it out"));
    options.negatives = 0;
    options.negative_exponent = 0;
    return options;
  }
  if (!sampled())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("loss is \"{}\": expected ce, sampled-ce, gbce, bce, bpr, top1 or "
                            "bpr-max",
                            loss),
                "loss");
  const bool bce = loss == "bce", gbce = loss == "gbce";
  if (options.negatives == 0) options.negatives = bce ? 3 : gbce ? 256 : 512;
  if (options.negative_exponent < 0) options.negative_exponent = bce || gbce ? 0 : 0.75;
  return options;
}

void NextItemLossOptions::add_to(Json& json) const {
  json["loss"] = loss;
  json["negatives"] = negatives;
  json["negative_exponent"] = negative_exponent;
}

std::optional<SampledLossOptions> NextItemLossOptions::sampled() const {
  for (const auto& [name, kind] : kSampled) {
    if (loss == name)
      return SampledLossOptions{.kind = kind,
                                .negatives = negatives,
                                .rows_that_share = kind == SampledLossKind::kBce ? 1 : 96};
  }
  return std::nullopt;
}

std::optional<ItemSampler> negative_sampler(const NextItemLossOptions& options,
                                            const data::Dataset& dataset) {
  if (!options.sampled()) return std::nullopt;
  return ItemSampler(item_counts(data::training_histories(dataset), dataset.items()),
                     options.negative_exponent);
}

NextItemLoss::NextItemLoss(const NextItemLossOptions& options,
                           const std::optional<ItemSampler>& sampler, std::int64_t items,
                           std::int64_t width) {
  if (const auto sampled = options.sampled()) {
    sampled_.emplace(*sampled, *sampler, width);
  } else {
    all_.emplace(items, width);
  }
}

double NextItemLoss::add(const CrossEntropy::Batch& batch, std::uint64_t key) {
  return sampled_ ? sampled_->add(batch, key) : all_->add(batch);
}

}  // namespace rapport::retrieval
