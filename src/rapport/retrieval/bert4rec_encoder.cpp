#include "rapport/retrieval/bert4rec_encoder.h"

#include <cassert>
#include <cmath>

#include "rapport/base/random.h"
#include "rapport/retrieval/kernels.h"

namespace rapport::retrieval {

Bert4recEncoder::Bert4recEncoder(const Bert4recShape& shape, double dropout, bool goes_back)
    : shape_(shape),
      layout_(bert4rec_weights(shape)),
      dropout_(static_cast<float>(dropout)),
      goes_back_(goes_back),
      memory_(goes_back ? layout_.blocks.size() : 2) {
  for (Block& block : memory_) block.trace.goes_back = goes_back;
}

/// Of the last block, nothing but what is masked is read.
TransformerRows Bert4recEncoder::rows(std::size_t block, const PackedSequences& batch,
                                      std::span<const std::int32_t> masked) const {
  TransformerRows rows{.offsets = batch.offsets};
  if (block + 1 == layout_.blocks.size()) rows.wanted = masked;
  return rows;
}

std::span<const float> Bert4recEncoder::forward(const PackedSequences& batch,
                                                std::span<const std::int32_t> masked,
                                                const float* weights, std::uint64_t key) {
  const std::int64_t d = shape_.dimension, size = batch.size();
  const auto count = static_cast<std::int64_t>(masked.size());
  base::SplitMix64 keys(key);
  const auto dropout = [&] { return Dropout{dropout_, static_cast<std::uint32_t>(keys.next())}; };

  memory_.front().x.resize(static_cast<std::size_t>(size * d));
  float* const embedded = memory_.front().x.data();
  const float root = std::sqrt(static_cast<float>(d));
  for (std::int64_t i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const float* const item = weights + layout_.item_embedding + batch.items[at] * d;
    const float* const position = weights + layout_.position_embedding + batch.positions[at] * d;
    for (std::int64_t j = 0; j < d; ++j) embedded[i * d + j] = item[j] * root + position[j];
  }
  embedded_dropout_ = dropout();
  apply_dropout(embedded_dropout_, 0, size * d, embedded, embedded);

  last_.resize(static_cast<std::size_t>(count * d));
  states_.resize(static_cast<std::size_t>(count * d));
  for (std::size_t i = 0; i < layout_.blocks.size(); ++i) {
    Block& block = memory_of(i);
    const bool last = i + 1 == layout_.blocks.size();
    if (!last) memory_of(i + 1).x.resize(static_cast<std::size_t>(size * d));
    block.dropout = {.attention = dropout(), .output = dropout(), .feed_forward = dropout()};
    transformer_forward(shape_.block(), layout_.blocks[i], weights, rows(i, batch, masked),
                        block.dropout, block.x.data(),
                        last ? last_.data() : memory_of(i + 1).x.data(), block.trace);
  }
  layer_norm(last_.data(), count, d, weights + layout_.final_norm_weight,
             weights + layout_.final_norm_bias, kTransformerNormEpsilon, states_.data());
  return states_;
}

void Bert4recEncoder::backward(const PackedSequences& batch, std::span<const std::int32_t> masked,
                               const float* weights, const float* states_gradient,
                               float* gradients) {
  const std::int64_t d = shape_.dimension, size = batch.size();
  gradient_.resize(static_cast<std::size_t>(size * d));
  below_.resize(static_cast<std::size_t>(size * d));
  layer_norm_backward(last_.data(), static_cast<std::int64_t>(masked.size()), d,
                      weights + layout_.final_norm_weight, kTransformerNormEpsilon, states_gradient,
                      {.weight = gradients + layout_.final_norm_weight,
                       .bias = gradients + layout_.final_norm_bias,
                       .x = gradient_.data()});
  assert(goes_back_);
  for (std::size_t i = layout_.blocks.size(); i-- > 0;) {
    const Block& block = memory_[i];
    transformer_backward(shape_.block(), layout_.blocks[i], weights, rows(i, batch, masked),
                         block.dropout, block.x.data(), gradient_.data(), block.trace, gradients,
                         below_.data());
    gradient_.swap(below_);
  }
  apply_dropout(embedded_dropout_, 0, size * d, gradient_.data(), gradient_.data());
  const float root = std::sqrt(static_cast<float>(d));
  for (std::int64_t i = 0; i < size; ++i) {
    const auto at = static_cast<std::size_t>(i);
    float* const item = gradients + layout_.item_embedding + batch.items[at] * d;
    float* const position = gradients + layout_.position_embedding + batch.positions[at] * d;
    for (std::int64_t j = 0; j < d; ++j) {
      const float gradient = gradient_[static_cast<std::size_t>(i * d + j)];
      item[j] += gradient * root;
      position[j] += gradient;
    }
  }
}

}  // namespace rapport::retrieval
