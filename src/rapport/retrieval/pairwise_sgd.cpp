#include "rapport/retrieval/pairwise_sgd.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "rapport/retrieval/vectorised.h"

namespace rapport::retrieval {
namespace {

/// Blocks of users and of items: as many cells are computed at a time, so that many threads have
/// work. Part of the result, so not a matter of the machine.
constexpr std::int64_t kBlocks = 8;
/// Fewer blocks where a block would have fewer users or items.
constexpr std::int64_t kSmallestBlock = 16;
/// Draws of a negative before an example is left out: who knows nine in ten of a block's items
/// still gets one 29 times in 30.
constexpr int kDraws = 32;

/// query · (positive - negative).
RAPPORT_INLINE float difference(const float* query, const float* positive, const float* negative,
                                std::int64_t dimension) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < dimension; ++i) sum += query[i] * (positive[i] - negative[i]);
  return sum;
}

/// The step of the three rows of a difference whose slope, times the learning rate, is `step`.
RAPPORT_INLINE void move(float* __restrict__ query, float* __restrict__ positive,
                         float* __restrict__ negative, std::int64_t dimension, float step,
                         float keep) {
#pragma omp simd
  for (std::int64_t i = 0; i < dimension; ++i) {
    const float q = query[i], p = positive[i], n = negative[i];
    query[i] = keep * q + step * (p - n);
    positive[i] = keep * p + step * q;
    negative[i] = keep * n - step * q;
  }
}

RAPPORT_INLINE float step(const PairwiseFactors& factors, const PairwiseExample& example,
                          data::ItemIndex negative, const PairwiseRates& rates) {
  const std::int64_t d = factors.dimension;
  float* const user = factors.user + example.user * d;
  float* const item = factors.item + example.item * d;
  float* const other = factors.item + negative * d;
  float* const bias = factors.bias + example.item;
  float* const other_bias = factors.bias + negative;
  const bool transitions = factors.previous != nullptr;
  float* const previous = transitions ? factors.previous + example.previous * d : nullptr;
  float* const next = transitions ? factors.next + example.item * d : nullptr;
  float* const other_next = transitions ? factors.next + negative * d : nullptr;

  float margin = *bias - *other_bias + difference(user, item, other, d);
  if (transitions) margin += difference(previous, next, other_next, d);
  const float odds = exponential(-margin);
  const float slope = rates.learning_rate * odds / (1 + odds);
  const float keep = 1 - rates.learning_rate * rates.regularisation;
  move(user, item, other, d, slope, keep);
  if (transitions) move(previous, next, other_next, d, slope, keep);
  *bias = keep * *bias + slope;
  *other_bias = keep * *other_bias - slope;
  return std::log1p(odds);
}

/// Examples of one cell, in turn. `block` are the items to draw negatives from.
struct Cell {
  std::span<PairwiseExample> examples;
  std::span<const std::int32_t> block;
  const KnownItems& known;
};

RAPPORT_VECTORISED std::int64_t run(const Cell& cell, const PairwiseFactors& factors,
                                    const PairwiseRates& rates, base::SplitMix64& random,
                                    double& loss) {
  const auto popular =
      static_cast<std::uint64_t>(static_cast<double>(rates.popular_negatives) * 0x1p32);
  std::int64_t steps = 0;
  for (const PairwiseExample& example : cell.examples) {
    for (int draw = 0; draw < kDraws; ++draw) {
      const std::uint64_t bits = random.next();
      const auto place = static_cast<std::uint32_t>(bits);
      const data::ItemIndex negative =
          (bits >> 32) < popular ? cell.examples[base::below(place, cell.examples.size())].item
                                 : cell.block[base::below(place, cell.block.size())];
      if (cell.known.contains(example.user, negative)) continue;
      loss += static_cast<double>(step(factors, example, negative, rates));
      ++steps;
      break;
    }
  }
  return steps;
}

}  // namespace

RAPPORT_VECTORISED float pairwise_step(const PairwiseFactors& factors,
                                       const PairwiseExample& example, data::ItemIndex negative,
                                       const PairwiseRates& rates) {
  return step(factors, example, negative, rates);
}

KnownItems::KnownItems(Histories histories) {
  for (const auto history : histories) {
    items_.insert(items_.end(), history.begin(), history.end());
    std::ranges::sort(items_.begin() + offsets_.back(), items_.end());
    offsets_.push_back(static_cast<std::int64_t>(items_.size()));
  }
}

bool KnownItems::contains(data::UserIndex user, data::ItemIndex item) const {
  const auto u = static_cast<std::size_t>(user);
  return std::binary_search(items_.begin() + offsets_[u], items_.begin() + offsets_[u + 1], item);
}

void PairwiseSgd::Split::draw(std::int64_t count, std::int64_t blocks, base::SplitMix64& random) {
  order.resize(static_cast<std::size_t>(count));
  block.resize(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  base::shuffle<std::int32_t>(order, random);
  begins.clear();
  for (std::int64_t i = 0; i <= blocks; ++i) begins.push_back(count * i / blocks);
  for (std::size_t i = 0; i < static_cast<std::size_t>(blocks); ++i) {
    for (std::int64_t place = begins[i]; place < begins[i + 1]; ++place)
      block[static_cast<std::size_t>(order[static_cast<std::size_t>(place)])] =
          static_cast<std::uint8_t>(i);
  }
}

PairwiseSgd::PairwiseSgd(std::vector<PairwiseExample> examples, KnownItems known,
                         std::int64_t users, std::int64_t items, bool transitions)
    : examples_(std::move(examples)),
      ordered_(examples_.size()),
      known_(std::move(known)),
      users_(users),
      items_(items),
      blocks_(std::clamp<std::int64_t>(std::min(users, items) / kSmallestBlock, 1, kBlocks)),
      transitions_(transitions) {}

/// Cells are numbered so that `blocks_` ones in a row, those of one round, share no block.
std::size_t PairwiseSgd::cell_of(const PairwiseExample& example) const {
  const auto blocks = static_cast<std::size_t>(blocks_);
  const std::size_t user = user_split_.block[static_cast<std::size_t>(example.user)];
  const auto ahead = [&](const Split& split, data::ItemIndex item) {
    return (split.block[static_cast<std::size_t>(item)] + blocks - user) % blocks;
  };
  std::size_t round = ahead(item_split_, example.item);
  if (transitions_) round = round * blocks + ahead(previous_split_, example.previous);
  return round * blocks + user;
}

void PairwiseSgd::sort_into_cells() {
  const auto blocks = static_cast<std::size_t>(blocks_);
  cells_.assign(blocks * blocks * (transitions_ ? blocks : 1) + 1, 0);
  for (const PairwiseExample& example : examples_) ++cells_[cell_of(example) + 1];
  std::partial_sum(cells_.begin(), cells_.end(), cells_.begin());
  std::vector<std::size_t> next = cells_;
  for (const PairwiseExample& example : examples_) ordered_[next[cell_of(example)]++] = example;
}

PairwiseSgd::Sum PairwiseSgd::run_cell(std::size_t cell, const PairwiseFactors& factors,
                                       const PairwiseRates& rates, std::uint64_t key) {
  const auto examples = std::span(ordered_).subspan(cells_[cell], cells_[cell + 1] - cells_[cell]);
  if (examples.empty()) return {};
  base::SplitMix64 random(key + cell);
  random = base::SplitMix64(random.next());  // so that no two cells read one sequence
  base::shuffle(examples, random);
  const std::size_t block = item_split_.block[static_cast<std::size_t>(examples.front().item)];
  const auto begin = static_cast<std::size_t>(item_split_.begins[block]);
  const auto end = static_cast<std::size_t>(item_split_.begins[block + 1]);
  Sum sum;
  sum.steps = run({.examples = examples,
                   .block = std::span(item_split_.order).subspan(begin, end - begin),
                   .known = known_},
                  factors, rates, random, sum.loss);
  return sum;
}

double PairwiseSgd::run_epoch(const PairwiseFactors& factors, const PairwiseRates& rates,
                              std::uint64_t key, TrainingThreads& threads) {
  base::SplitMix64 random(key);
  user_split_.draw(users_, blocks_, random);
  item_split_.draw(items_, blocks_, random);
  if (transitions_) previous_split_.draw(items_, blocks_, random);
  sort_into_cells();

  const auto blocks = static_cast<std::size_t>(blocks_);
  const std::uint64_t cell_key = random.next();
  std::vector<Sum> sums(cells_.size() - 1);
  for (std::size_t round = 0; round < sums.size(); round += blocks) {
    threads.each(blocks_, [&](std::int64_t i) {
      const std::size_t cell = round + static_cast<std::size_t>(i);
      sums[cell] = run_cell(cell, factors, rates, cell_key);
    });
  }
  Sum total;
  for (const Sum& sum : sums) {
    total.loss += sum.loss;
    total.steps += sum.steps;
  }
  return total.loss / static_cast<double>(std::max<std::int64_t>(1, total.steps));
}

}  // namespace rapport::retrieval
