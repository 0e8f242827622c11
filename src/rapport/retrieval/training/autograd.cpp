#include "rapport/retrieval/training/autograd.h"

#include <algorithm>
#include <vector>

namespace rapport::retrieval {
namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void keep(AutogradContext* context, const Dropout& dropout) {
  context->saved_data["probability"] = static_cast<double>(dropout.probability);
  context->saved_data["key"] = static_cast<std::int64_t>(dropout.key);
}

Dropout kept_dropout(AutogradContext* context) {
  return {static_cast<float>(context->saved_data["probability"].toDouble()),
          static_cast<std::uint32_t>(context->saved_data["key"].toInt())};
}

Tensor dropped_gradient(AutogradContext* context, const Tensor& gradient) {
  Tensor result = torch::empty_like(gradient);
  apply_dropout(kept_dropout(context), 0, gradient.numel(), gradient.data_ptr<float>(),
                result.data_ptr<float>());
  return result;
}

struct DropoutFunction : torch::autograd::Function<DropoutFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Dropout& dropout) {
    keep(context, dropout);
    Tensor result = torch::empty_like(x);
    apply_dropout(dropout, 0, x.numel(), x.data_ptr<float>(), result.data_ptr<float>());
    return result;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {dropped_gradient(context, gradients[0].contiguous()), Tensor()};
  }
};

struct AddDroppedFunction : torch::autograd::Function<AddDroppedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& residual, const Tensor& x,
                        const Dropout& dropout) {
    keep(context, dropout);
    Tensor sum = torch::empty_like(x);
    add_with_dropout(dropout, x.numel(), residual.data_ptr<float>(), x.data_ptr<float>(),
                     sum.data_ptr<float>());
    return sum;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const Tensor gradient = gradients[0].contiguous();
    return {gradient, dropped_gradient(context, gradient), Tensor()};
  }
};

/// Calls `visit(head, probabilities' place, position, column)` for every head of every sequence.
template <typename Visit>
void each_head(const Tensor& query_key_value, const Tensor& offsets, std::int64_t heads,
               const Dropout& dropout, const Visit& visit) {
  const std::int64_t d = query_key_value.size(1) / 3, width = d / heads;
  const float* const rows = query_key_value.data_ptr<float>();
  const std::int64_t* const begins = offsets.data_ptr<std::int64_t>();
  std::int64_t element = 0;  // of all probabilities, in the order they are visited
  for (std::int64_t sequence = 0; sequence + 1 < offsets.numel(); ++sequence) {
    const std::int64_t begin = begins[sequence], length = begins[sequence + 1] - begin;
    for (std::int64_t head = 0; head < heads; ++head) {
      const float* const query = rows + begin * 3 * d + head * width;
      visit(AttentionHead{.query = query,
                          .key = query + d,
                          .value = query + 2 * d,
                          .length = length,
                          .width = width,
                          .stride = 3 * d,
                          .dropout = dropout,
                          .first_element = static_cast<std::uint32_t>(element)},
            element, begin, head * width);
      element += length * length;
    }
  }
}

std::pair<std::int64_t, std::int64_t> longest_and_squares(const Tensor& offsets) {
  const std::int64_t* const begins = offsets.data_ptr<std::int64_t>();
  std::int64_t longest = 0, squares = 0;
  for (std::int64_t sequence = 0; sequence + 1 < offsets.numel(); ++sequence) {
    const std::int64_t length = begins[sequence + 1] - begins[sequence];
    longest = std::max(longest, length);
    squares += length * length;
  }
  return {longest, squares};
}

struct PackedAttentionFunction : torch::autograd::Function<PackedAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& query_key_value,
                        const Tensor& offsets, std::int64_t heads, const Dropout& dropout) {
    const std::int64_t d = query_key_value.size(1) / 3;
    const auto [longest, squares] = longest_and_squares(offsets);
    const Tensor probabilities = torch::empty({squares * heads});
    Tensor out = torch::empty({query_key_value.size(0), d});
    float* const p = probabilities.data_ptr<float>();
    float* const o = out.data_ptr<float>();
    std::vector<float> scratch(attention_scratch(longest));
    each_head(query_key_value, offsets, heads, dropout,
              [&](const AttentionHead& head, std::int64_t element, std::int64_t position,
                  std::int64_t column) {
                attention_forward(head, o + position * d + column, d, p + element, scratch.data());
              });
    context->save_for_backward({query_key_value, offsets, probabilities});
    context->saved_data["heads"] = heads;
    keep(context, dropout);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor& query_key_value = saved[0];
    const Tensor& offsets = saved[1];
    const Tensor gradient = gradients[0].contiguous();
    const std::int64_t d = query_key_value.size(1) / 3;
    Tensor result = torch::empty_like(query_key_value);
    const float* const p = saved[2].data_ptr<float>();
    const float* const o = gradient.data_ptr<float>();
    float* const r = result.data_ptr<float>();
    std::vector<float> scratch(attention_scratch(longest_and_squares(offsets).first));
    each_head(query_key_value, offsets, context->saved_data["heads"].toInt(), kept_dropout(context),
              [&](const AttentionHead& head, std::int64_t element, std::int64_t position,
                  std::int64_t column) {
                float* const query = r + position * 3 * d + column;
                attention_backward(head, p + element, o + position * d + column, d, query,
                                   query + d, query + 2 * d, 3 * d, scratch.data());
              });
    return {result, Tensor(), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor dropped(const Tensor& x, const Dropout& dropout) {
  return dropout.probability > 0 ? DropoutFunction::apply(x, dropout) : x;
}

Tensor add_dropped(const Tensor& residual, const Tensor& x, const Dropout& dropout) {
  return dropout.probability > 0 ? AddDroppedFunction::apply(residual, x, dropout) : residual + x;
}

Tensor packed_attention(const Tensor& query_key_value, const Tensor& offsets, std::int64_t heads,
                        const Dropout& dropout) {
  return PackedAttentionFunction::apply(query_key_value, offsets, heads, dropout);
}

}  // namespace rapport::retrieval
