// Turns a sentence-transformers folder of a BERT encoder (all-MiniLM-L6-v2 and its family) into a
// GGUF file that llama.cpp, and so `LlamaEmbedder`, runs.
//
//   TRY_VOID(import_bert("all-MiniLM-L6-v2", "all-minilm-l6-v2-f32.gguf", WeightType::kF32));
#pragma once

#include <filesystem>

#include "rapport/base/result.h"
#include "rapport/language/gguf_writer.h"

namespace rapport::language {

/// Metadata key (uint32) of the longest text in tokens, [CLS] and [SEP] included, that the encoder
/// was made for; it can be below the positions the weights have (all-MiniLM-L6-v2: 256 of 512).
inline constexpr const char* kMaxTokensKey = "rapport.embedding.max_tokens";

/// Reads `config.json`, `tokenizer.json` and `model.safetensors` of `folder`, and where they are
/// there `modules.json`, its pooling `config.json` and `sentence_bert_config.json`. Without
/// `modules.json` the pooling is the mean, as sentence-transformers has it. Matrices are stored as
/// `type`, biases, norms and positions as f32. `output` is written whole or not at all.
/// Errors: kNotFound for a missing file; kUnsupported for another architecture, tokenizer, pooling
/// or a layer after it; kCorrupt for tensors that contradict config.json; kIo.
Result<void> import_bert(const std::filesystem::path& folder, const std::filesystem::path& output,
                         WeightType type);

}  // namespace rapport::language
