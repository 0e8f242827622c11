#include "rapport/retrieval/interactions.h"

namespace rapport::retrieval {
namespace {

/// Interactions that draw their negatives from one sequence: part of the result.
constexpr std::int64_t kPart = 1024;
/// Draws of a negative before it is left out: who knows nine in ten items still gets one 29 times
/// in 30.
constexpr int kDraws = 32;

}  // namespace

std::vector<Interaction> interactions_of(Histories histories) {
  std::vector<Interaction> interactions;
  for (std::size_t user = 0; user < histories.size(); ++user) {
    for (const data::ItemIndex item : histories[user])
      interactions.push_back({.user = static_cast<data::UserIndex>(user), .item = item});
  }
  return interactions;
}

std::vector<std::int64_t> item_counts(Histories histories, std::int64_t items) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(items));
  for (const auto history : histories) {
    for (const data::ItemIndex item : history) ++counts[static_cast<std::size_t>(item)];
  }
  return counts;
}

NegativeSampler::NegativeSampler(Histories histories, std::int64_t items, double popular)
    : interactions_(interactions_of(histories)),
      known_(histories),
      items_(static_cast<std::size_t>(items)),
      popular_(static_cast<std::uint64_t>(popular * 0x1p32)) {}

std::int32_t NegativeSampler::draw_one(data::UserIndex user, base::SplitMix64& random) const {
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t bits = random.next();
    const auto place = static_cast<std::uint32_t>(bits);
    const data::ItemIndex item = (bits >> 32) < popular_
                                     ? interactions_[base::below(place, interactions_.size())].item
                                     : static_cast<data::ItemIndex>(base::below(place, items_));
    if (!known_.contains(user, item)) return item;
  }
  return -1;
}

void NegativeSampler::draw(std::span<const Interaction> batch, std::int64_t count,
                           std::uint64_t key, TrainingThreads& threads,
                           std::vector<std::int32_t>& negatives) const {
  negatives.resize(batch.size() * static_cast<std::size_t>(count));
  threads.over(static_cast<std::int64_t>(batch.size()), kPart,
               [&](std::int64_t begin, std::int64_t end) {
                 base::SplitMix64 random(key + static_cast<std::uint64_t>(begin));
                 random = base::SplitMix64(random.next());  // no two parts read one sequence
                 for (std::int64_t n = begin * count; n < end * count; ++n)
                   negatives[static_cast<std::size_t>(n)] =
                       draw_one(batch[static_cast<std::size_t>(n / count)].user, random);
               });
}

InteractionEpochs::InteractionEpochs(Histories histories, std::int64_t batch)
    : batch_(static_cast<std::size_t>(batch)), interactions_(interactions_of(histories)) {}

Result<double> InteractionEpochs::run(std::int64_t epoch, std::uint64_t key,
                                      const FitContext& context, const Step& step) {
  base::SplitMix64 random(key);
  ordered_ = interactions_;  // so that an epoch does not depend on the one before
  base::shuffle<Interaction>(ordered_, random);
  const std::size_t size = ordered_.size(), steps = (size + batch_ - 1) / batch_;
  double loss = 0;
  for (std::size_t i = 0; i < steps; ++i) {
    TRY_VOID(check_not_stopped(context, epoch));
    const std::size_t begin = size * i / steps, end = size * (i + 1) / steps;
    loss += static_cast<double>(end - begin) *
            step(std::span(ordered_).subspan(begin, end - begin), random.next());
  }
  return loss / static_cast<double>(size);
}

}  // namespace rapport::retrieval
