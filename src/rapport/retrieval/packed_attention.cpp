#include "rapport/retrieval/packed_attention.h"

#include <algorithm>
#include <vector>

namespace rapport::retrieval {
namespace {

/// One head of one sequence, and where it lies in what is packed.
struct Place {
  std::int64_t element;           // of all probabilities
  std::int64_t column;            // of the head's first
  std::int64_t query, key_value;  // floats from the start of the queries, of the keys
};

/// Calls `visit(head, place)` for every head of every sequence that has positions.
template <typename Visit>
void each_head(const PackedAttention& attention, const Visit& visit) {
  const std::int64_t d = attention.dimension, width = d / attention.heads;
  std::int64_t element = 0;
  for (std::size_t s = 0; s + 1 < attention.offsets.size(); ++s) {
    const std::int64_t begin = attention.offsets[s], length = attention.offsets[s + 1] - begin;
    const std::int64_t first = attention.query_offsets[s];
    const std::int64_t queries = attention.query_offsets[s + 1] - first;
    for (std::int64_t head = 0; length > 0 && head < attention.heads; ++head) {
      const std::int64_t column = head * width;
      const Place place{element, column, first * d + column, begin * 2 * d + column};
      const float* const key = attention.key_value + place.key_value;
      const bool padded = attention.padded_length > length;
      visit(AttentionHead{.query = attention.query + place.query,
                          .key = key,
                          .value = key + d,
                          .queries = queries,
                          .length = length,
                          .width = width,
                          .causal = attention.causal,
                          .query_stride = d,
                          .key_value_stride = 2 * d,
                          .padding = padded ? attention.padded_length - length : 0,
                          .padding_key = padded ? attention.padding + column : nullptr,
                          .padding_value = padded ? attention.padding + d + column : nullptr,
                          .dropout = attention.dropout,
                          .first_element = static_cast<std::uint32_t>(element)},
            place);
      element += queries * attention_stride(length);
    }
  }
}

std::vector<float> scratch_of(const PackedAttention& attention) {
  std::int64_t longest = 0;
  for (std::size_t s = 0; s + 1 < attention.offsets.size(); ++s)
    longest = std::max(longest, attention.offsets[s + 1] - attention.offsets[s]);
  return std::vector<float>(attention_scratch(longest, attention.dimension / attention.heads));
}

}  // namespace

std::size_t packed_attention_elements(const PackedAttention& attention) {
  std::int64_t elements = 0;
  for (std::size_t s = 0; s + 1 < attention.offsets.size(); ++s)
    elements += (attention.query_offsets[s + 1] - attention.query_offsets[s]) *
                attention_stride(attention.offsets[s + 1] - attention.offsets[s]);
  return static_cast<std::size_t>(elements * attention.heads);
}

void packed_attention_forward(const PackedAttention& attention, float* out, float* probabilities) {
  std::vector<float> scratch = scratch_of(attention);
  each_head(attention, [&](const AttentionHead& head, const Place& place) {
    attention_forward(head, out + place.query, attention.dimension,
                      probabilities != nullptr ? probabilities + place.element : nullptr,
                      scratch.data());
  });
}

void packed_attention_backward(const PackedAttention& attention, const float* probabilities,
                               const float* out_gradient,
                               const PackedAttentionGradients& gradients) {
  const std::int64_t d = attention.dimension;
  std::vector<float> scratch = scratch_of(attention);
  each_head(attention, [&](const AttentionHead& head, const Place& place) {
    float* const key = gradients.key_value + place.key_value;
    float* const padding = head.padding > 0 ? gradients.padding + place.column : nullptr;
    attention_backward(head, probabilities + place.element, out_gradient + place.query, d,
                       {.query = gradients.query + place.query,
                        .key = key,
                        .value = key + d,
                        .padding_key = padding,
                        .padding_value = padding != nullptr ? padding + d : nullptr},
                       scratch.data());
  });
}

}  // namespace rapport::retrieval
