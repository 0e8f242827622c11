// The structure of a llama-architecture language model, as its GGUF file states it.
//
//   TRY(const GgufReader gguf, GgufReader::open(path));
//   TRY(const LlamaShape shape, read_llama_shape(gguf));
#pragma once

#include <cstdint>
#include <string>

#include "rapport/base/result.h"
#include "rapport/language/gguf_reader.h"

namespace rapport::tuning {

/// Source: Touvron et al. 2023; llama.cpp's metadata keys `llama.*`.
struct LlamaShape {
  std::int64_t vocabulary = 0;  // tokens
  std::int64_t dimension = 0;   // of a position's state
  std::int64_t layers = 0;
  std::int64_t heads = 0;      // of queries
  std::int64_t key_heads = 0;  // of keys and values; each serves heads / key_heads of the queries'
  std::int64_t head_dimension = 0;
  std::int64_t inner = 0;       // of the feed-forward
  std::int64_t context = 0;     // tokens that the model was trained for
  double rope_base = 10'000;    // of the angles that tell positions apart
  double norm_epsilon = 1e-5;   // of RMSNorm
  bool has_own_output = false;  // false: states are scored by the vectors that tokens enter by

  std::int64_t query_width() const { return heads * head_dimension; }
  std::int64_t key_width() const { return key_heads * head_dimension; }
  bool operator==(const LlamaShape&) const = default;
};

/// Errors: kUnsupported for another architecture, or a llama one with what is not computed here
/// (biases, scaled rotary angles, experts), naming it; kCorrupt for sizes that are missing or do
/// not fit each other.
Result<LlamaShape> read_llama_shape(const language::GgufReader& gguf);

/// "blk.3.attn_q.weight".
std::string layer_tensor(std::int64_t layer, std::string_view name);

}  // namespace rapport::tuning
