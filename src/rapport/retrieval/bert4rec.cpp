#include "rapport/retrieval/bert4rec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rapport/retrieval/bert4rec_encoder.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

std::array<Size, 6> sizes_of(Bert4recShape& shape) {
  return {{{"items", &shape.items, 1, std::int64_t{1} << 30},
           {"dimension", &shape.dimension, 1, 4096},
           {"blocks", &shape.blocks, 1, 64},
           {"heads", &shape.heads, 1, 4096},
           {"inner", &shape.inner, 1, 16384},
           {"max_length", &shape.max_length, 2, 8192}}};
}

}  // namespace

Result<void> Bert4recShape::check() const {
  Bert4recShape shape = *this;
  TRY_VOID(check_sizes(sizes_of(shape)));
  return check_divides("heads", heads, "dimension", dimension);
}

Json Bert4recShape::to_json() const {
  Bert4recShape shape = *this;
  return sizes_to_json(sizes_of(shape));
}

Result<Bert4recShape> Bert4recShape::from_json(const Json& json) {
  Bert4recShape shape;
  TRY_VOID(read_sizes("bert4rec", json, sizes_of(shape)));
  if (auto checked = shape.check(); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  return shape;
}

Bert4recWeights bert4rec_weights(const Bert4recShape& shape) {
  Bert4recWeights weights;
  const std::int64_t d = shape.dimension;
  weights.item_embedding = weights.add("item_embedding", {shape.items, d});
  weights.mask_embedding = weights.add("mask_embedding", {d});
  weights.position_embedding = weights.add("position_embedding", {shape.max_length, d});
  for (std::int64_t i = 0; i < shape.blocks; ++i)
    weights.blocks.push_back(
        add_transformer_block(weights, fmt::format("blocks.{}.", i), shape.block()));
  weights.final_norm_weight = weights.add("final_norm.weight", {d});
  weights.final_norm_bias = weights.add("final_norm.bias", {d});
  return weights;
}

Bert4rec::Bert4rec(const Bert4recShape& shape, std::vector<float> weights)
    : Bert4rec(shape, bert4rec_weights(shape), std::move(weights)) {}

Bert4rec::Bert4rec(const Bert4recShape& shape, const Bert4recWeights& layout,
                   std::vector<float> weights)
    : SequenceModel(shape.items, shape.dimension, shape.max_length - 1, layout,
                    layout.item_embedding, std::move(weights)),
      shape_(shape) {}

Result<std::unique_ptr<Retriever>> Bert4rec::load(const Json& options,
                                                  const base::Safetensors& file) {
  TRY(const Bert4recShape shape, Bert4recShape::from_json(options));
  TRY(std::vector<float> weights, bert4rec_weights(shape).read(file));
  return std::make_unique<Bert4rec>(shape, std::move(weights));
}

/// The newest item of `batch` is at max_length - 2: the mask behind it is at the last position.
void Bert4rec::do_encode(const PackedSequences& batch, std::span<float> hidden) const {
  PackedSequences masked;
  std::vector<std::int32_t> masks;
  std::vector<data::ItemIndex> sequence;
  for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
    sequence.assign(batch.items.begin() + batch.offsets[s],
                    batch.items.begin() + batch.offsets[s + 1]);
    sequence.push_back(shape_.mask());
    masked.add(sequence, shape_.max_length);
    masks.push_back(static_cast<std::int32_t>(masked.size() - 1));
  }
  Bert4recEncoder encoder(shape_, /*dropout=*/0, /*goes_back=*/false);
  std::ranges::copy(encoder.forward(masked, masks, at(0), /*key=*/0), hidden.begin());
}

}  // namespace rapport::retrieval
