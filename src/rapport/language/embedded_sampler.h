// Which token comes next: sampling options and grammar over a row of logits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/language/embedded_model.h"

struct common_chat_params;
struct common_sampler;
struct llama_context;
struct llama_model;

namespace rapport::language {

/// The logarithm of softmax, straight from the model: temperature 1, before any sampling option.
/// Linear in the vocabulary; called only when someone asks for probabilities.
class LogSoftmax {
 public:
  /// `logits` [vocabulary] must outlive it.
  LogSoftmax(const float* logits, std::int32_t vocabulary);
  float operator[](std::int32_t token) const { return logits_[token] - log_sum_; }
  /// The `count` likeliest tokens, likeliest first; the lower id first among equals.
  std::vector<std::int32_t> top(std::int32_t count) const;

 private:
  const float* logits_;
  std::int32_t vocabulary_;
  float log_sum_;
};

/// The likeliest token; the lowest id among equals.
std::int32_t likeliest_token(const float* logits, std::int32_t vocabulary);

/// The grammar of a `response_format`: "" for text, a GBNF grammar otherwise. Errors:
/// kInvalidArgument with param "response_format" for a schema that makes no grammar.
Result<std::string> output_grammar(const OutputFormat& format);

/// One answer's sampler; it keeps what penalties, grammar and the random sequence need. Not
/// thread-safe, but may be made on one thread and used on another.
class TokenSampler {
 public:
  struct Settings {
    const EmbeddedOptions& defaults;
    const SamplingOptions& sampling;
    const std::string& grammar;                       // "" for none
    const common_chat_params* tool_format = nullptr;  // its grammar, when it has one
  };

  /// Errors: kInvalidArgument for a logit_bias of a token that is not in the vocabulary (param
  /// logit_bias), or a grammar llama.cpp refuses (param response_format or tools).
  static Result<std::unique_ptr<TokenSampler>> create(const llama_model& model,
                                                      const Settings& settings);
  ~TokenSampler();

  /// Samples from row `row` of the last decode, and takes the token into account for the next.
  /// Errors: kUnsupported when the grammar lets nothing follow, not even the end (param
  /// response_format or tools).
  Result<std::int32_t> sample(llama_context& context, std::int32_t row);

  /// True when the same request shall get the same answer: temperature 0, or a seed.
  bool reproducible() const { return reproducible_; }
  /// Tokens that tool calls need to see although they are special.
  bool preserves(std::int32_t token) const;

 private:
  TokenSampler() = default;
  std::int32_t sample_among_likeliest(const float* logits);

  struct Deleter {
    void operator()(common_sampler* sampler) const;
  };
  std::unique_ptr<common_sampler, Deleter> sampler_;
  std::int32_t vocabulary_ = 0;
  std::int32_t top_k_ = 0;
  bool greedy_ = false;          // the likeliest token, untouched by penalties, bias or grammar
  bool from_likeliest_ = false;  // only the `top_k_` likeliest matter
  bool reproducible_ = false;
  std::string at_fault_;  // the parameter that the grammar is of
  std::vector<std::int32_t> preserved_;
};

}  // namespace rapport::language
