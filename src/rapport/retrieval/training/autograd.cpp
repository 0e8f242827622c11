#include "rapport/retrieval/training/autograd.h"

#include <span>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/packed_attention.h"

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

std::span<const std::int64_t> as_span(const Tensor& offsets) {
  return {offsets.data_ptr<std::int64_t>(), static_cast<std::size_t>(offsets.numel())};
}

PackedAttention causal(const Tensor& query, const Tensor& key_value, const Tensor& padding,
                       const Tensor& offsets, std::int64_t padded_length, std::int64_t heads,
                       const Dropout& dropout) {
  return {.query = query.data_ptr<float>(),
          .key_value = key_value.data_ptr<float>(),
          .query_offsets = as_span(offsets),
          .offsets = as_span(offsets),
          .dimension = query.size(1),
          .heads = heads,
          .padded_length = padded_length,
          .padding = padding.data_ptr<float>(),
          .dropout = dropout};
}

struct PackedAttentionFunction : torch::autograd::Function<PackedAttentionFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key_value,
                        const Tensor& padding, const Tensor& offsets, std::int64_t padded_length,
                        std::int64_t heads, const Dropout& dropout) {
    const PackedAttention attention =
        causal(query, key_value, padding, offsets, padded_length, heads, dropout);
    const Tensor probabilities =
        torch::empty({static_cast<std::int64_t>(packed_attention_elements(attention))});
    Tensor out = torch::empty_like(query);
    packed_attention_forward(attention, out.data_ptr<float>(), probabilities.data_ptr<float>());
    context->save_for_backward({query, key_value, padding, offsets, probabilities});
    context->saved_data["padded_length"] = padded_length;
    context->saved_data["heads"] = heads;
    keep(context, dropout);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const PackedAttention attention =
        causal(saved[0], saved[1], saved[2], saved[3], context->saved_data["padded_length"].toInt(),
               context->saved_data["heads"].toInt(), kept_dropout(context));
    Tensor query = torch::empty_like(saved[0]), key_value = torch::empty_like(saved[1]);
    Tensor padding = torch::zeros_like(saved[2]);
    packed_attention_backward(attention, saved[4].data_ptr<float>(),
                              gradients[0].contiguous().data_ptr<float>(),
                              {.query = query.data_ptr<float>(),
                               .key_value = key_value.data_ptr<float>(),
                               .padding = padding.data_ptr<float>()});
    return {query, key_value, padding, Tensor(), Tensor(), Tensor(), Tensor()};
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
