#include "rapport/retrieval/training/sequence_parameters.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "rapport/base/in_parallel.h"
#include "rapport/retrieval/training/sparse_product.h"

namespace rapport::retrieval {
namespace {

/// How much the newest item's text counts in the beginning, and each one before it beside the next:
/// what training on Amazon Beauty comes to, and near the decay that the ridge is best with there.
constexpr double kFirstAmount = 0.5, kDecay = 0.7;

/// Part `i` of `parts` about equal ones of [0, size).
std::pair<std::size_t, std::size_t> part_of(std::size_t size, std::size_t i, std::size_t parts) {
  return {size * i / parts, size * (i + 1) / parts};
}

}  // namespace

SequenceParameters::SequenceParameters(const SequenceTask& task, std::int64_t seed,
                                       base::ThreadPool& pool, std::size_t threads)
    : task_(task),
      pool_(pool),
      threads_(threads),
      layout_(task.layout),
      panels_(task.items, task.dimension) {
  if (has_text()) gate_ = add_text_gate(layout_, task.dimension, task.text->items_read);
  read_size_ = static_cast<std::size_t>(layout_.total);
  if (has_text()) {
    layout_.add("text.tokens", {task.text->tokens(), task.dimension});
    composed_.resize(read_size_);
  }
  weights_.resize(static_cast<std::size_t>(layout_.total));
  initialise(seed);
  best_ = weights_;
  first_moment_.resize(weights_.size());
  second_moment_.resize(weights_.size());
}

/// Gate and tokens begin at zero, but for the gate's bias.
void SequenceParameters::initialise(std::int64_t seed) {
  base::SeededRandom random(static_cast<std::uint64_t>(seed));
  for (const WeightPlace& place : task_.layout.places) {
    task_.initialise(place,
                     std::span(weights_).subspan(static_cast<std::size_t>(place.offset),
                                                 static_cast<std::size_t>(place.size)),
                     random);
  }
  if (!has_text()) return;
  for (std::int64_t i = 0; i < task_.text->items_read; ++i)
    weights_[static_cast<std::size_t>(gate_.bias + i)] =
        static_cast<float>(kFirstAmount * std::pow(kDecay, i));
}

void SequenceParameters::refresh() {
  if (has_text()) std::copy_n(weights_.begin(), read_size_, composed_.begin());
  base::in_parallel(pool_, threads_, [&](std::size_t i) {
    const auto [first, last] = part_of(static_cast<std::size_t>(panels_.count()), i, threads_);
    const auto begin = static_cast<std::int64_t>(first), end = static_cast<std::int64_t>(last);
    if (has_text())
      add_token_vectors(weights_, begin * ItemPanels::kItems,
                        std::min(end * ItemPanels::kItems, task_.items), composed_);
    panels_.fill(read().data() + task_.item_embedding, begin, end);
  });
}

/// To items [first, last) of `out`.
void SequenceParameters::add_token_vectors(const std::vector<float>& weights, std::int64_t first,
                                           std::int64_t last, std::vector<float>& out) const {
  add_sparse_product(task_.text->features, first, last, weights.data() + read_size_,
                     task_.dimension, out.data() + task_.item_embedding);
}

void SequenceParameters::step(std::span<const float* const> gradients) {
  ++steps_;
  AdamStep adam_step{.learning_rate = static_cast<float>(task_.training.learning_rate),
                     .weight_decay = static_cast<float>(task_.training.weight_decay),
                     .step = steps_};
  update(adam_step, 0, read_size_, gradients);
  if (!has_text()) return;
  gather_token_gradients(gradients);
  const float* const tokens = token_gradients_.data();
  update(adam_step, read_size_, weights_.size(), {&tokens, 1});
}

/// The weights [begin, end), where each of the gradients begins.
void SequenceParameters::update(const AdamStep& step, std::size_t begin, std::size_t end,
                                std::span<const float* const> gradients) {
  base::in_parallel(pool_, threads_, [&](std::size_t i) {
    const auto [first, last] = part_of(end - begin, i, threads_);
    std::vector<const float*> parts;
    for (const float* const gradient : gradients) parts.push_back(gradient + first);
    adam(step, static_cast<std::int64_t>(last - first), parts, weights_.data() + begin + first,
         first_moment_.data() + begin + first, second_moment_.data() + begin + first);
  });
}

/// A token's is the sum of those of the items that have it.
void SequenceParameters::gather_token_gradients(std::span<const float* const> gradients) {
  const ItemText& text = *task_.text;
  const std::int64_t d = task_.dimension;
  item_gradients_.resize(static_cast<std::size_t>(task_.items * d));
  token_gradients_.assign(static_cast<std::size_t>(text.tokens() * d), 0.0f);
  base::in_parallel(pool_, threads_, [&](std::size_t i) {
    const auto [first, last] = part_of(item_gradients_.size(), i, threads_);
    for (std::size_t j = first; j < last; ++j) {
      float sum = 0;
      for (const float* const gradient : gradients)
        sum += gradient[static_cast<std::size_t>(task_.item_embedding) + j];
      item_gradients_[j] = sum;
    }
  });
  base::in_parallel(pool_, threads_, [&](std::size_t i) {
    const auto [first, last] = part_of(static_cast<std::size_t>(text.tokens()), i, threads_);
    add_sparse_product(text.by_token, static_cast<std::int64_t>(first),
                       static_cast<std::int64_t>(last), item_gradients_.data(), d,
                       token_gradients_.data());
  });
}

std::unique_ptr<Retriever> SequenceParameters::model_of(const std::vector<float>& weights) const {
  const auto own_end = weights.begin() + task_.layout.total;
  std::vector<float> own(weights.begin(), own_end);
  if (!has_text()) return task_.model(std::move(own), std::nullopt);
  add_token_vectors(weights, 0, task_.items, own);
  std::vector<float> gate(own_end, weights.begin() + static_cast<std::ptrdiff_t>(read_size_));
  return task_.model(std::move(own), TextScores(task_.text->kernel, task_.dimension,
                                                task_.text->items_read, std::move(gate)));
}

void SequenceParameters::save(base::SafetensorsWriter& writer) const {
  const auto size = static_cast<std::int64_t>(weights_.size());
  writer.add("weights", {size}, weights_);
  writer.add("best", {size}, best_);
  writer.add("first_moment", {size}, first_moment_);
  writer.add("second_moment", {size}, second_moment_);
  const std::string steps = std::to_string(steps_);
  writer.add_bytes("steps", "U8", {static_cast<std::int64_t>(steps.size())}, steps);
}

Result<void> SequenceParameters::load(const base::Safetensors& file) {
  const std::vector<std::int64_t> shape{static_cast<std::int64_t>(weights_.size())};
  TRY(auto weights, file.read_floats("weights", shape));
  TRY(auto best, file.read_floats("best", shape));
  TRY(auto first_moment, file.read_floats("first_moment", shape));
  TRY(auto second_moment, file.read_floats("second_moment", shape));
  TRY(const std::string steps, file.read_text("steps"));
  weights_ = std::move(weights);
  best_ = std::move(best);
  first_moment_ = std::move(first_moment);
  second_moment_ = std::move(second_moment);
  steps_ = std::strtoll(steps.c_str(), nullptr, 10);
  return {};
}

}  // namespace rapport::retrieval
