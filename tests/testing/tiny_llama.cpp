#include "testing/tiny_llama.h"

#include <gtest/gtest.h>

#include <cmath>

#include "rapport/base/random.h"

namespace rapport::testing {
void write_tiny_llama(const std::filesystem::path& path, const tuning::LlamaShape& shape,
                      const std::function<void(language::GgufWriter&)>& change) {
  language::GgufWriter gguf("llama");
  const auto number = [](std::int64_t value) { return static_cast<std::uint32_t>(value); };
  gguf.set_string("general.name", "tiny");
  gguf.set_string("tokenizer.ggml.model", "no_vocab");
  gguf.set_uint32("llama.vocab_size", number(shape.vocabulary));
  gguf.set_uint32("llama.embedding_length", number(shape.dimension));
  gguf.set_uint32("llama.block_count", number(shape.layers));
  gguf.set_uint32("llama.attention.head_count", number(shape.heads));
  gguf.set_uint32("llama.attention.head_count_kv", number(shape.key_heads));
  gguf.set_uint32("llama.feed_forward_length", number(shape.inner));
  gguf.set_uint32("llama.context_length", number(shape.context));
  gguf.set_uint32("llama.rope.dimension_count", number(shape.head_dimension));
  gguf.set_float("llama.rope.freq_base", static_cast<float>(shape.rope_base));
  gguf.set_float("llama.attention.layer_norm_rms_epsilon", static_cast<float>(shape.norm_epsilon));
  std::uint64_t seed = 1;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> sizes, double around,
                       double spread) {
    std::int64_t count = 1;
    for (const std::int64_t size : sizes) count *= size;
    base::SeededRandom random(seed++);
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values)
      value = static_cast<float>(around + spread * (2 * random.uniform() - 1));
    EXPECT_TRUE(
        gguf.add_tensor(name, sizes, language::WeightType::kF32, [values] { return values; }));
  };
  const std::int64_t d = shape.dimension;
  add("token_embd.weight", {shape.vocabulary, d}, 0, 1);
  if (shape.has_own_output) add("output.weight", {shape.vocabulary, d}, 0, 1);
  add("output_norm.weight", {d}, 1, 0.2);
  for (std::int64_t i = 0; i < shape.layers; ++i) {
    add(tuning::layer_tensor(i, "attn_norm"), {d}, 1, 0.2);
    add(tuning::layer_tensor(i, "ffn_norm"), {d}, 1, 0.2);
    add(tuning::layer_tensor(i, "attn_q"), {shape.query_width(), d}, 0, 0.4);
    add(tuning::layer_tensor(i, "attn_k"), {shape.key_width(), d}, 0, 0.4);
    add(tuning::layer_tensor(i, "attn_v"), {shape.key_width(), d}, 0, 0.4);
    add(tuning::layer_tensor(i, "attn_output"), {d, shape.query_width()}, 0, 0.4);
    add(tuning::layer_tensor(i, "ffn_gate"), {shape.inner, d}, 0, 0.4);
    add(tuning::layer_tensor(i, "ffn_up"), {shape.inner, d}, 0, 0.4);
    add(tuning::layer_tensor(i, "ffn_down"), {d, shape.inner}, 0, 0.4);
  }
  if (change) change(gguf);
  ASSERT_TRUE(gguf.write(path));
}

double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    size += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

}  // namespace rapport::testing
