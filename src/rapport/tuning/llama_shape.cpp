#include "rapport/tuning/llama_shape.h"

#include <fmt/format.h>

#include <algorithm>

namespace rapport::tuning {
namespace {

/// What a llama file may hold that is computed in another way than here.
Result<void> refuse_what_is_not_computed(const language::GgufReader& gguf) {
  const auto refuse = [&](const std::string& what) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} has {}, which training does not compute: tune another model",
                            gguf.path().string(), what),
                "model");
  };
  if (gguf.integer("llama.expert_count").value_or(0) > 0) return refuse("experts");
  if (const auto scaling = gguf.text("llama.rope.scaling.type"); scaling && *scaling != "none")
    return refuse("rotary angles scaled by \"" + *scaling + "\"");
  if (gguf.has("rope_freqs.weight")) return refuse("rotary angles with factors of their own");
  for (const auto& tensor : gguf.tensors())
    if (tensor.name.ends_with(".bias")) return refuse("the bias " + tensor.name);
  return {};
}

}  // namespace

Result<LlamaShape> read_llama_shape(const language::GgufReader& gguf) {
  if (const std::string architecture = gguf.architecture(); architecture != "llama")
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} is of the architecture \"{}\": only llama models can be tuned here",
                            gguf.path().string(), architecture),
                "model");
  TRY_VOID(refuse_what_is_not_computed(gguf));
  const auto size = [&](const char* key) { return gguf.integer(key).value_or(0); };
  LlamaShape shape{
      .dimension = size("llama.embedding_length"),
      .layers = size("llama.block_count"),
      .heads = size("llama.attention.head_count"),
      .inner = size("llama.feed_forward_length"),
      .context = size("llama.context_length"),
      .rope_base = gguf.number("llama.rope.freq_base").value_or(10'000),
      .norm_epsilon = gguf.number("llama.attention.layer_norm_rms_epsilon").value_or(0),
      .has_own_output = gguf.has("output.weight")};
  shape.key_heads = gguf.integer("llama.attention.head_count_kv").value_or(shape.heads);
  for (const auto& tensor : gguf.tensors())
    if (tensor.name == "token_embd.weight" && tensor.shape.size() == 2)
      shape.vocabulary = tensor.shape[0];
  const auto corrupt = [&](const std::string& what) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", gguf.path().string(), what), "model");
  };
  for (const auto& [value, what] : std::initializer_list<std::pair<std::int64_t, const char*>>{
           {shape.vocabulary, "token_embd.weight"},
           {shape.dimension, "llama.embedding_length"},
           {shape.layers, "llama.block_count"},
           {shape.heads, "llama.attention.head_count"},
           {shape.key_heads, "llama.attention.head_count_kv"},
           {shape.inner, "llama.feed_forward_length"},
           {shape.context, "llama.context_length"}})
    if (value < 1 || value > std::int64_t{1} << 24)
      return corrupt(fmt::format("{} is missing or makes no sense", what));
  if (shape.norm_epsilon <= 0)
    return corrupt("llama.attention.layer_norm_rms_epsilon is missing or makes no sense");
  shape.head_dimension =
      gguf.integer("llama.attention.key_length").value_or(shape.dimension / shape.heads);
  if (shape.heads % shape.key_heads != 0)
    return corrupt(fmt::format("{} heads of queries do not divide among {} of keys", shape.heads,
                               shape.key_heads));
  if (shape.head_dimension < 2 || shape.head_dimension % 2 != 0 || shape.head_dimension > 1 << 16)
    return corrupt(fmt::format("heads of {} numbers make no sense", shape.head_dimension));
  if (gguf.integer("llama.attention.value_length").value_or(shape.head_dimension) !=
          shape.head_dimension ||
      gguf.integer("llama.rope.dimension_count").value_or(shape.head_dimension) !=
          shape.head_dimension)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} rotates a part of each head only, or has values of another width "
                            "than keys, which training does not compute: tune another model",
                            gguf.path().string()),
                "model");
  return shape;
}

std::string layer_tensor(std::int64_t layer, std::string_view name) {
  return fmt::format("blk.{}.{}.weight", layer, name);
}

}  // namespace rapport::tuning
