#include "rapport/retrieval/training/autograd.h"

#include <algorithm>
#include <vector>

#include "rapport/retrieval/linear.h"

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

struct AffineFunction : torch::autograd::Function<AffineFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight,
                        const Tensor& bias) {
    TORCH_CHECK(x.is_contiguous() && weight.is_contiguous() && x.size(1) == weight.size(0));
    context->save_for_backward({x, weight});
    const std::int64_t rows = x.size(0), in = weight.size(0), out = weight.size(1);
    Tensor result = torch::empty({rows, out});
    linear_forward({.rows = rows, .in = in, .out = out}, x.data_ptr<float>(),
                   weight.data_ptr<float>(), bias.data_ptr<float>(), result.data_ptr<float>());
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor gradient = gradients[0].contiguous();
    Tensor x_gradient = torch::empty_like(x), weight_gradient = torch::zeros_like(weight);
    linear_backward(
        {.rows = x.size(0), .in = x.size(1), .out = gradient.size(1)}, x.data_ptr<float>(),
        weight.data_ptr<float>(), gradient.data_ptr<float>(),
        {.weight = weight_gradient.data_ptr<float>(), .x = x_gradient.data_ptr<float>()});
    return {x_gradient, weight_gradient, gradient.sum(0)};
  }
};

/// What the attention reads, [positions × …], sequences end to end.
struct AttentionInputs {
  Tensor query, key_value, padding, offsets;
  std::int64_t padded_length, heads;
};

/// Calls `visit(head, probabilities' place, position, column)` for every head of every sequence.
template <typename Visit>
void each_head(const AttentionInputs& inputs, const Dropout& dropout, const Visit& visit) {
  const std::int64_t d = inputs.query.size(1), width = d / inputs.heads;
  const float* const queries = inputs.query.data_ptr<float>();
  const float* const keys = inputs.key_value.data_ptr<float>();
  const float* const padding = inputs.padding.data_ptr<float>();
  const std::int64_t* const begins = inputs.offsets.data_ptr<std::int64_t>();
  std::int64_t element = 0;  // of all probabilities, in the order they are visited
  for (std::int64_t sequence = 0; sequence + 1 < inputs.offsets.numel(); ++sequence) {
    const std::int64_t begin = begins[sequence], length = begins[sequence + 1] - begin;
    for (std::int64_t head = 0; head < inputs.heads; ++head) {
      const std::int64_t column = head * width;
      const float* const key = keys + begin * 2 * d + column;
      visit(AttentionHead{.query = queries + begin * d + column,
                          .key = key,
                          .value = key + d,
                          .length = length,
                          .width = width,
                          .query_stride = d,
                          .key_value_stride = 2 * d,
                          .padding = inputs.padded_length - length,
                          .padding_key = padding + column,
                          .padding_value = padding + d + column,
                          .dropout = dropout,
                          .first_element = static_cast<std::uint32_t>(element)},
            element, begin, column);
      element += length * attention_stride(length);
    }
  }
}

/// The longest sequence, and how many probabilities a head of all of them has.
std::pair<std::int64_t, std::int64_t> extents(const Tensor& offsets) {
  const std::int64_t* const begins = offsets.data_ptr<std::int64_t>();
  std::int64_t longest = 0, probabilities = 0;
  for (std::int64_t sequence = 0; sequence + 1 < offsets.numel(); ++sequence) {
    const std::int64_t length = begins[sequence + 1] - begins[sequence];
    longest = std::max(longest, length);
    probabilities += length * attention_stride(length);
  }
  return {longest, probabilities};
}

struct PackedAttentionFunction : torch::autograd::Function<PackedAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key_value,
                        const Tensor& padding, const Tensor& offsets, std::int64_t padded_length,
                        std::int64_t heads, const Dropout& dropout) {
    const std::int64_t d = query.size(1);
    const auto [longest, elements] = extents(offsets);
    const Tensor probabilities = torch::empty({elements * heads});
    Tensor out = torch::empty({query.size(0), d});
    float* const p = probabilities.data_ptr<float>();
    float* const o = out.data_ptr<float>();
    std::vector<float> scratch(attention_scratch(longest, d / heads));
    each_head({query, key_value, padding, offsets, padded_length, heads}, dropout,
              [&](const AttentionHead& head, std::int64_t element, std::int64_t position,
                  std::int64_t column) {
                attention_forward(head, o + position * d + column, d, p + element, scratch.data());
              });
    context->save_for_backward({query, key_value, padding, offsets, probabilities});
    context->saved_data["padded_length"] = padded_length;
    context->saved_data["heads"] = heads;
    keep(context, dropout);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const AttentionInputs inputs{saved[0],
                                 saved[1],
                                 saved[2],
                                 saved[3],
                                 context->saved_data["padded_length"].toInt(),
                                 context->saved_data["heads"].toInt()};
    const Tensor gradient = gradients[0].contiguous();
    const std::int64_t d = inputs.query.size(1);
    Tensor query_gradient = torch::empty_like(inputs.query);
    Tensor key_value_gradient = torch::empty_like(inputs.key_value);
    Tensor padding_gradient = torch::zeros_like(inputs.padding);
    const float* const p = saved[4].data_ptr<float>();
    const float* const o = gradient.data_ptr<float>();
    float* const queries = query_gradient.data_ptr<float>();
    float* const keys = key_value_gradient.data_ptr<float>();
    float* const padding = padding_gradient.data_ptr<float>();
    std::vector<float> scratch(attention_scratch(extents(inputs.offsets).first, d / inputs.heads));
    each_head(inputs, kept_dropout(context),
              [&](const AttentionHead& head, std::int64_t element, std::int64_t position,
                  std::int64_t column) {
                float* const key = keys + position * 2 * d + column;
                attention_backward(head, p + element, o + position * d + column, d,
                                   {.query = queries + position * d + column,
                                    .key = key,
                                    .value = key + d,
                                    .padding_key = padding + column,
                                    .padding_value = padding + d + column},
                                   scratch.data());
              });
    return {query_gradient, key_value_gradient, padding_gradient, Tensor(),
            Tensor(),       Tensor(),           Tensor()};
  }
};

}  // namespace

Tensor dropped(const Tensor& x, const Dropout& dropout) {
  return dropout.probability > 0 ? DropoutFunction::apply(x, dropout) : x;
}

Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return AffineFunction::apply(x, weight, bias);
}

Tensor add_dropped(const Tensor& residual, const Tensor& x, const Dropout& dropout) {
  return dropout.probability > 0 ? AddDroppedFunction::apply(residual, x, dropout) : residual + x;
}

Tensor packed_attention(const Tensor& query, const Tensor& key_value, const Tensor& padding,
                        const Tensor& offsets, std::int64_t padded_length, std::int64_t heads,
                        const Dropout& dropout) {
  return PackedAttentionFunction::apply(query, key_value, padding, offsets, padded_length, heads,
                                        dropout);
}

}  // namespace rapport::retrieval
