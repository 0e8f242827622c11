// Sentence vectors by an encoder GGUF (BERT family) that llama.cpp runs in this process.
//
//   TRY(auto embedder, LlamaEmbedder::load({.path = "all-minilm-l6-v2-f32.gguf"}));
//   TRY(EmbeddingMatrix vectors, embedder->embed({"What should I cook tonight?"}));
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/language/text_embedder.h"

namespace rapport::language {

struct EmbedderOptions {
  std::string path = {};  // a GGUF that `import_bert` or llama.cpp's converter wrote
  std::string id = {};    // name in /v1/models; "" takes the file's name without ".gguf"
  /// 0: half the cores. The language model computes at the same time, and llama.cpp's threads wait
  /// for each other spinning: on 2 busy cores 2 threads took 20 times as long as 1.
  std::int64_t threads = 0;
  /// Tokens of several short texts that go through the encoder together. Attention runs over the
  /// whole batch, so its cost grows with the square: past 512 a larger batch is slower.
  std::int64_t batch_tokens = 512;

  /// Keys language.embedding.*.
  void describe(base::OptionSet& set);
};

class LlamaEmbedder final : public TextEmbedder {
 public:
  /// Errors: kNotFound, kUnsupported (no encoder with pooling), kCorrupt, kInvalidArgument, each
  /// with the path.
  static Result<std::unique_ptr<LlamaEmbedder>> load(const EmbedderOptions& options);
  ~LlamaEmbedder() override;

  /// The longest text in tokens, its two marks included: what the model was made for, at most
  /// 2,048.
  std::int64_t max_tokens() const;
  /// The ids that a text becomes, marks included; a special token's name inside the text is text.
  /// They are the original tokenizer's but for spacing marks of Indic scripts, which llama.cpp
  /// strips with the accents, and words of more than 100 letters, which it does not give up on.
  /// Errors: kInvalidArgument for ill-formed UTF-8 or more bytes than any text that fits can have.
  Result<std::vector<std::int32_t>> tokenize(const std::string& text) const;

 private:
  struct State;
  explicit LlamaEmbedder(std::unique_ptr<State> state);

  Result<EmbeddingMatrix> do_embed(const std::vector<std::string>& texts) override;
  std::int64_t do_dimensions() const override;
  std::string do_id() const override;

  std::unique_ptr<State> state_;
};

}  // namespace rapport::language
