#include "rapport/tuning/training/item_objective.h"

#include <algorithm>
#include <cmath>

#include "rapport/base/digest.h"
#include "rapport/tuning/training/lora_weights.h"

namespace rapport::tuning {
namespace {

using torch::Tensor;

/// Some numbers become 0 by lot, the others that much larger. Source: Srivastava et al. 2014.
Tensor dropped(const Tensor& x, double share, at::Generator& lot) {
  if (share == 0) return x;
  const Tensor kept = torch::empty_like(x).bernoulli_(1 - share, lot);
  return x * kept * (1 / (1 - share));
}

}  // namespace

ItemObjective::ItemObjective(const LlamaNetwork& network, const ItemSequences& learnt,
                             const ItemReadingOptions& options, std::int64_t seed)
    : network_(network), learnt_(learnt), options_(options) {
  vectors_ = torch::tensor(at::ArrayRef<float>(learnt.vectors)).reshape({-1, learnt.width});
  base::SplitMix64 random(static_cast<std::uint64_t>(seed));
  lora_ = begin_lora(network.shape(), options.lora, 0, random, parameters_);
  const std::int64_t d = network.shape().dimension;
  // What is read is as large as words are: the layers know nothing else. The start is a word's
  // vector, for much of what the layers attend to is at the first position whatever stands there.
  const double bound = network.input_size() * std::sqrt(3.0 / static_cast<double>(learnt.width));
  parameters_.push_back(uniform_parameter("items.input", learnt.width, d, bound, random));
  input_ = parameters_.back().value;
  parameters_.push_back(zero_parameter("items.start", 1, d));
  start_ = parameters_.back().value;
  {
    const torch::NoGradGuard no_gradient;
    start_.copy_(network.start_vector());
  }
  parameters_.push_back(zero_parameter("items.output", learnt.width, d));
  output_ = parameters_.back().value;
  state_scale_ = 1 / (network.state_size() * std::sqrt(static_cast<double>(d)));
}

Tensor ItemObjective::inputs() const {
  const torch::NoGradGuard no_gradient;
  return torch::cat({torch::matmul(vectors_, input_), start_});
}

Tensor ItemObjective::output() const {
  const torch::NoGradGuard no_gradient;
  return output_ * state_scale_;
}

Tensor ItemObjective::loss(std::span<const std::size_t> part, std::uint64_t seed) {
  at::Generator lot = at::detail::createCPUGenerator(seed);
  // Those of one length are computed together.
  std::vector<std::size_t> order(part.begin(), part.end());
  std::ranges::stable_sort(order, {}, [&](std::size_t number) { return tokens(number); });
  Packer packer;
  std::vector<std::int64_t> read, next;  // items; of `read`, -1 is a start
  for (const std::size_t number : order) {
    const std::int64_t begin = learnt_.offsets[number], end = learnt_.offsets[number + 1];
    packer.add(end - begin, 1);
    read.push_back(-1);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t item = learnt_.items[static_cast<std::size_t>(i)];
      if (i + 1 < end) read.push_back(item);
      if (i > begin) next.push_back(item);
    }
  }
  const Tensor items = torch::tensor(read, torch::kInt64);
  const Tensor is_item = items.ge(0).to(torch::kFloat32).unsqueeze(1);
  const Tensor vectors = vectors_.index_select(0, items.clamp_min(0));
  Tensor hidden = dropped(torch::matmul(vectors, input_), options_.dropout, lot) * is_item +
                  start_ * (1 - is_item);
  hidden = network_.run(hidden, packer.done(), 0, network_.shape().layers, &lora_);
  const Tensor states = dropped(network_.normed(hidden) * state_scale_, options_.dropout, lot);
  const Tensor logits = torch::matmul(torch::matmul(states, output_.t()), vectors_.t());
  return torch::nn::functional::cross_entropy(
      logits, torch::tensor(next, torch::kInt64),
      torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum));
}

Json ItemObjective::fingerprint() const {
  const auto digest = [](const auto& values) {
    return base::digest(std::string_view(reinterpret_cast<const char*>(values.data()),
                                         values.size() * sizeof(values[0])));
  };
  return {{"options", options_.to_json()},
          {"vectors", digest(learnt_.vectors)},
          {"items", digest(learnt_.items)},
          {"offsets", digest(learnt_.offsets)}};
}

}  // namespace rapport::tuning
