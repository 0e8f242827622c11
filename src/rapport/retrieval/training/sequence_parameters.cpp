#include "rapport/retrieval/training/sequence_parameters.h"

#include <algorithm>
#include <cmath>

#include "rapport/retrieval/training/sparse_product.h"

namespace rapport::retrieval {
namespace {

/// How much the newest item's text counts in the beginning, and each one before it beside the next:
/// what training on Amazon Beauty comes to, and near the decay that the ridge is best with there.
constexpr double kFirstAmount = 0.5, kDecay = 0.7;

constexpr std::int64_t kPanels = 16, kTokens = 256, kFloats = 1 << 14;  // a thread takes at a time

}  // namespace

SequenceParameters::SequenceParameters(const SequenceTask& task, TrainingThreads& threads)
    : task_(task),
      threads_(threads),
      layout_(task.layout),
      panels_(task.scores_all_items ? task.items : 0, task.dimension) {
  if (has_text()) gate_ = add_text_gate(layout_, task.dimension, task.text->items_read);
  read_size_ = static_cast<std::size_t>(layout_.total);
  if (!has_text()) return;
  layout_.add("text.tokens", {task.text->tokens(), task.dimension});
  composed_.resize(read_size_);
}

/// Gate and tokens begin at zero, but for the gate's bias.
void SequenceParameters::initialise(const WeightPlace& place, std::span<float> values,
                                    base::Random& random) const {
  if (place.offset < task_.layout.total) return task_.initialise(place, values, random);
  if (place.offset != gate_.bias) return;
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(kFirstAmount * std::pow(kDecay, static_cast<double>(i)));
}

std::span<const float> SequenceParameters::refresh(const std::vector<float>& weights) {
  if (has_text()) {
    std::copy_n(weights.begin(), read_size_, composed_.begin());
    threads_.over(task_.items, kPanels * ItemPanels::kItems,
                  [&](std::int64_t begin, std::int64_t end) {
                    add_token_vectors(weights, begin, end, composed_);
                  });
  }
  const std::span<const float> read = has_text() ? composed_ : weights;
  threads_.over(panels_.count(), kPanels, [&](std::int64_t begin, std::int64_t end) {
    panels_.fill(read.data() + task_.item_embedding, begin, end);
  });
  return read;
}

/// To items [first, last) of `out`.
void SequenceParameters::add_token_vectors(std::span<const float> weights, std::int64_t first,
                                           std::int64_t last, std::vector<float>& out) const {
  add_sparse_product(task_.text->features, first, last, weights.data() + read_size_,
                     task_.dimension, out.data() + task_.item_embedding);
}

void SequenceParameters::step(std::span<const float* const> gradients, TrainingState& state) {
  const AdamStep adam_step{.learning_rate = static_cast<float>(task_.training.learning_rate),
                           .weight_decay = static_cast<float>(task_.training.weight_decay),
                           .step = ++state.steps};
  const auto read_size = static_cast<std::int64_t>(read_size_);
  adam_update(adam_step, 0, read_size, gradients, threads_, state);
  if (!has_text()) return;
  gather_token_gradients(gradients);
  const float* const tokens = token_gradients_.data();
  adam_update(adam_step, read_size, layout_.total - read_size, {&tokens, 1}, threads_, state);
}

/// A token's is the sum of those of the items that have it.
void SequenceParameters::gather_token_gradients(std::span<const float* const> gradients) {
  const ItemText& text = *task_.text;
  const std::int64_t d = task_.dimension;
  item_gradients_.resize(static_cast<std::size_t>(task_.items * d));
  token_gradients_.assign(static_cast<std::size_t>(text.tokens() * d), 0.0f);
  threads_.over(task_.items * d, kFloats, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      float sum = 0;
      for (const float* const gradient : gradients) sum += gradient[task_.item_embedding + i];
      item_gradients_[static_cast<std::size_t>(i)] = sum;
    }
  });
  threads_.over(text.tokens(), kTokens, [&](std::int64_t begin, std::int64_t end) {
    add_sparse_product(text.by_token, begin, end, item_gradients_.data(), d,
                       token_gradients_.data());
  });
}

std::unique_ptr<Retriever> SequenceParameters::model(std::span<const float> weights) const {
  const auto own_end = weights.begin() + task_.layout.total;
  std::vector<float> own(weights.begin(), own_end);
  if (!has_text()) return task_.model(std::move(own), std::nullopt);
  add_token_vectors(weights, 0, task_.items, own);
  std::vector<float> gate(own_end, weights.begin() + static_cast<std::ptrdiff_t>(read_size_));
  return task_.model(std::move(own), TextScores(task_.text->kernel, task_.dimension,
                                                task_.text->items_read, std::move(gate)));
}

}  // namespace rapport::retrieval
