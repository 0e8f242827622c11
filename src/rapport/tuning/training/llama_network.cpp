#include "rapport/tuning/training/llama_network.h"

#include <fmt/format.h>

#include <cmath>

namespace rapport::tuning {
namespace {

using torch::Tensor;

Tensor integers(const std::vector<std::int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

Result<Tensor> read(const language::GgufReader& gguf, const std::string& name,
                    std::vector<std::int64_t> shape) {
  TRY(const std::vector<float> values, gguf.read_floats(name, shape));
  return torch::tensor(at::ArrayRef<float>(values)).reshape(shape);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double epsilon) {
  return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + epsilon) * weight;
}

/// x Wᵀ, and what the LoRA adds to it.
Tensor linear(const Tensor& x, const Tensor& weight, const Lora* lora, const std::string& name) {
  Tensor y = torch::matmul(x, weight.t());
  if (lora == nullptr) return y;
  const auto pair = lora->pairs.find(name);
  if (pair == lora->pairs.end()) return y;
  return y +
         torch::matmul(torch::matmul(x, pair->second.down.t()), pair->second.up.t()) * lora->scale;
}

/// Each neighbouring pair of numbers of a head turned by its position's angle. x [rows × heads ×
/// width]; cosines and sines [rows × 1 × width / 2].
Tensor rotate(const Tensor& x, const Tensor& cosines, const Tensor& sines) {
  const Tensor pairs = x.reshape({x.size(0), x.size(1), -1, 2});
  const Tensor even = pairs.select(-1, 0), odd = pairs.select(-1, 1);
  return torch::stack({even * cosines - odd * sines, even * sines + odd * cosines}, -1)
      .reshape(x.sizes());
}

}  // namespace

void Packer::add(std::int64_t length, std::int64_t asking) {
  const auto begin = static_cast<std::int64_t>(positions_.size());
  if (!runs_.empty() && runs_.back().length == length && runs_.back().asking == asking) {
    ++runs_.back().count;
  } else {
    runs_.push_back({begin, 1, length, asking});
  }
  for (std::int64_t i = 0; i < length; ++i) {
    positions_.push_back(i);
    if (i >= asking) predicting_.push_back(begin + i);
  }
}

Packing Packer::done() const {
  return {runs_, integers(positions_), integers(predicting_)};
}

PackedTexts::PackedTexts(std::span<const TrainingText* const> texts) {
  Packer packer;
  std::vector<std::int64_t> read, learnt;
  for (const TrainingText* text : texts) {
    packer.add(read_of(*text), text->answer - 1);
    read.insert(read.end(), text->tokens.begin(), text->tokens.end() - 1);
    learnt.insert(learnt.end(), text->tokens.begin() + text->answer, text->tokens.end());
  }
  packing = packer.done();
  tokens = integers(read);
  answers = integers(learnt);
}

std::pair<std::int64_t, std::int64_t> layer_matrix_shape(const LlamaShape& shape,
                                                         std::string_view name) {
  const std::int64_t d = shape.dimension;
  if (name == "attn_q") return {shape.query_width(), d};
  if (name == "attn_k" || name == "attn_v") return {shape.key_width(), d};
  if (name == "attn_output") return {d, shape.query_width()};
  if (name == "ffn_gate" || name == "ffn_up") return {shape.inner, d};
  if (name == "ffn_down") return {d, shape.inner};
  return {0, 0};
}

Result<Lora> Lora::from(const LoraAdapter& adapter, const LlamaShape& shape) {
  Lora lora{.scale = adapter.alpha / static_cast<double>(adapter.rank), .pairs = {}};
  for (const LoraMatrix& matrix : adapter.matrices) {
    bool fits = false;
    for (std::int64_t layer = 0; layer < shape.layers && !fits; ++layer)
      for (const char* const name :
           {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        fits = fits || (matrix.tensor == layer_tensor(layer, name) &&
                        layer_matrix_shape(shape, name) == std::pair(matrix.out, matrix.in));
    if (!fits)
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("the adapter belongs to another model{}: this one has no {} of {} × {}",
                      adapter.base.empty() ? "" : ", " + adapter.base, matrix.tensor, matrix.out,
                      matrix.in),
          "adapter");
    lora.pairs[matrix.tensor] = {
        torch::tensor(at::ArrayRef<float>(matrix.down)).reshape({adapter.rank, matrix.in}),
        torch::tensor(at::ArrayRef<float>(matrix.up)).reshape({matrix.out, adapter.rank})};
  }
  return lora;
}

Result<LlamaNetwork> LlamaNetwork::load(const std::filesystem::path& path) {
  TRY(const auto gguf, language::GgufReader::open(path));
  LlamaNetwork network;
  TRY(network.shape_, read_llama_shape(gguf));
  network.name_ = gguf.text("general.name").value_or("");
  const std::int64_t start = gguf.integer("tokenizer.ggml.bos_token_id").value_or(0);
  const LlamaShape& shape = network.shape_;
  network.start_token_ = start >= 0 && start < shape.vocabulary ? start : 0;
  const std::int64_t d = shape.dimension;
  TRY(network.embedding_, read(gguf, "token_embd.weight", {shape.vocabulary, d}));
  TRY(network.norm_, read(gguf, "output_norm.weight", {d}));
  network.output_ = network.embedding_;
  if (shape.has_own_output) {
    TRY(network.output_, read(gguf, "output.weight", {shape.vocabulary, d}));
  }
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    Layer layer;
    TRY(layer.attention_norm, read(gguf, layer_tensor(i, "attn_norm"), {d}));
    TRY(layer.inner_norm, read(gguf, layer_tensor(i, "ffn_norm"), {d}));
    const auto matrix = [&](const char* name) {
      const auto [out, in] = layer_matrix_shape(shape, name);
      return read(gguf, layer_tensor(i, name), {out, in});
    };
    TRY(layer.query, matrix("attn_q"));
    TRY(layer.key, matrix("attn_k"));
    TRY(layer.value, matrix("attn_v"));
    TRY(layer.output, matrix("attn_output"));
    TRY(layer.gate, matrix("ffn_gate"));
    TRY(layer.up, matrix("ffn_up"));
    TRY(layer.down, matrix("ffn_down"));
    network.layers_.push_back(std::move(layer));
  }
  return network;
}

Tensor LlamaNetwork::embed(const PackedTexts& texts) const {
  return embedding_.index_select(0, texts.tokens);
}

double LlamaNetwork::input_size() const {
  return std::sqrt(embedding_.square().mean().item<double>());
}

double LlamaNetwork::state_size() const {
  return std::sqrt(norm_.square().mean().item<double>());
}

Tensor LlamaNetwork::run(Tensor hidden, const Packing& texts, std::int64_t first, std::int64_t last,
                         const Lora* lora) const {
  // Angles in double: a float's last digits are lost at positions in the thousands.
  const std::int64_t half = shape_.head_dimension / 2;
  const Tensor rates = torch::pow(
      shape_.rope_base, torch::arange(half, torch::kFloat64) * (-1.0 / static_cast<double>(half)));
  const Tensor angles =
      texts.positions.to(torch::kFloat64).unsqueeze(1).mul(rates.unsqueeze(0)).unsqueeze(1);
  const Tensor cosines = angles.cos().to(torch::kFloat32), sines = angles.sin().to(torch::kFloat32);
  for (std::int64_t i = first; i < last; ++i)
    hidden = layer(i, hidden, texts, cosines, sines, lora, i + 1 == shape_.layers);
  return hidden;
}

Tensor LlamaNetwork::layer(std::int64_t number, const Tensor& hidden, const Packing& texts,
                           const Tensor& cosines, const Tensor& sines, const Lora* lora,
                           bool answers_only) const {
  const Layer& layer = layers_[static_cast<std::size_t>(number)];
  const auto named = [&](const char* name) { return layer_tensor(number, name); };
  const std::int64_t width = shape_.head_dimension, groups = shape_.heads / shape_.key_heads;
  // Of the positions from here on only those of answers count, but they look at all.
  const auto asking = [&](const Tensor& rows) {
    return answers_only ? rows.index_select(0, texts.predicting) : rows;
  };
  const Tensor x = rms_norm(hidden, layer.attention_norm, shape_.norm_epsilon);
  const Tensor queries =
      rotate(linear(asking(x), layer.query, lora, named("attn_q")).view({-1, shape_.heads, width}),
             asking(cosines), asking(sines))
          .view({-1, shape_.key_heads, groups, width});
  const Tensor keys =
      rotate(linear(x, layer.key, lora, named("attn_k")).view({-1, shape_.key_heads, width}),
             cosines, sines);
  const Tensor values =
      linear(x, layer.value, lora, named("attn_v")).view({-1, shape_.key_heads, width});

  std::vector<Tensor> attended;
  std::int64_t next = 0;
  for (const Packing::Run& run : texts.runs) {
    const std::int64_t before = answers_only ? run.asking : 0;
    const std::int64_t asked = run.length - before;
    const auto looked_at = [&](const Tensor& rows) {  // [texts · key heads × length × width]
      return rows.slice(0, run.begin, run.begin + run.count * run.length)
          .view({run.count, run.length, shape_.key_heads, width})
          .transpose(1, 2)
          .reshape({run.count * shape_.key_heads, run.length, width});
    };
    const Tensor q = queries.slice(0, next, next + run.count * asked)
                         .view({run.count, asked, shape_.key_heads, groups, width})
                         .permute({0, 2, 3, 1, 4})
                         .reshape({run.count * shape_.key_heads, groups * asked, width});
    next += run.count * asked;
    const Tensor later =
        torch::full({asked, run.length}, -std::numeric_limits<float>::infinity()).triu(before + 1);
    Tensor scores = torch::matmul(q, looked_at(keys).transpose(1, 2)) *
                    (1 / std::sqrt(static_cast<double>(width)));
    scores = scores.view({-1, groups, asked, run.length}) + later;
    const Tensor weights = torch::softmax(scores, -1).view({-1, groups * asked, run.length});
    attended.push_back(torch::matmul(weights, looked_at(values))
                           .view({run.count, shape_.key_heads, groups, asked, width})
                           .permute({0, 3, 1, 2, 4})
                           .reshape({run.count * asked, shape_.query_width()}));
  }
  const Tensor y =
      asking(hidden) + linear(torch::cat(attended), layer.output, lora, named("attn_output"));
  const Tensor z = rms_norm(y, layer.inner_norm, shape_.norm_epsilon);
  const Tensor inner = torch::silu(linear(z, layer.gate, lora, named("ffn_gate"))) *
                       linear(z, layer.up, lora, named("ffn_up"));
  return y + linear(inner, layer.down, lora, named("ffn_down"));
}

Tensor LlamaNetwork::normed(const Tensor& hidden) const {
  return rms_norm(hidden, norm_, shape_.norm_epsilon);
}

Tensor LlamaNetwork::logits(const Tensor& hidden) const {
  return torch::matmul(normed(hidden), output_.t());
}

}  // namespace rapport::tuning
