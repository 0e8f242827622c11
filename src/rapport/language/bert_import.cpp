#include "rapport/language/bert_import.h"

#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/files.h"
#include "rapport/base/json.h"
#include "rapport/base/safetensors.h"

namespace rapport::language {
namespace {

// Bounds for what a folder may claim: far above any BERT there is (the largest has 1024 × 4096,
// 24 layers), far below what would exhaust memory before the tensors contradict it.
constexpr std::int64_t kMaxWidth = 65'536;
constexpr std::int64_t kMaxLayers = 1'024;
constexpr std::int64_t kMaxVocabulary = 200'000;
constexpr base::JsonLimits kConfigLimits = {.max_bytes = 1u << 20, .max_depth = 16};
// A tokenizer's vocabulary is one object.
constexpr base::JsonLimits kTokenizerLimits = {
    .max_bytes = 64u << 20, .max_depth = 64, .max_members = 200'000};

/// What config.json and its neighbours say of the encoder.
struct Encoder {
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t positions = 0;
  std::int64_t token_types = 0;
  std::int64_t vocabulary = 0;
  double layer_norm_eps = 0;
  std::int64_t max_tokens = 0;
  enum llama_pooling_type pooling = LLAMA_POOLING_TYPE_MEAN;
};

/// What tokenizer.json says.
struct WordPiece {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;  // llama_token_type
  std::uint32_t cls = 0, sep = 0, unk = 0;
  std::optional<std::uint32_t> pad, mask;
  bool lowercase = true;
  bool strip_accents = true;
};

Result<Json> read_json(const std::filesystem::path& path,
                       const base::JsonLimits& limits = kConfigLimits) {
  TRY(const std::string text, base::read_file(path, limits.max_bytes));
  return base::parse_json(text, path.string(), limits);
}

tl::unexpected<Error> unsupported(const std::filesystem::path& path, std::string_view what) {
  return fail(ErrorCode::kUnsupported,
              fmt::format("{}: {}: only BERT sentence encoders with a WordPiece tokenizer and mean "
                          "or [CLS] pooling can be imported",
                          path.string(), what));
}

/// The text under `key`, or `fallback` when it is missing or null.
std::string text_or(const Json& object, const char* key, std::string fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}

Result<std::int64_t> read_count(const Json& object, const char* key, std::int64_t maximum,
                                const std::filesystem::path& path) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(maximum)) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: \"{}\" must be a whole number from 1 to {}",
                                                 path.string(), key, maximum));
  }
  return found->get<std::int64_t>();
}

/// The modules after the transformer: pooling, and nothing else that changes the vector's
/// direction.
Result<enum llama_pooling_type> read_pooling(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "modules.json";
  if (!std::filesystem::exists(path)) return LLAMA_POOLING_TYPE_MEAN;
  TRY(const Json modules, read_json(path));
  if (!modules.is_array()) return fail(ErrorCode::kCorrupt, path.string() + ": expected an array");
  std::optional<enum llama_pooling_type> pooling;
  for (const Json& layer : modules) {
    const std::string type = layer.is_object() ? text_or(layer, "type", "") : "";
    if (type.ends_with(".Transformer") || type.ends_with(".Normalize")) continue;
    if (!type.ends_with(".Pooling")) {
      return unsupported(path, fmt::format("has a layer \"{}\"", type));
    }
    const std::filesystem::path config_path = folder / text_or(layer, "path", "") / "config.json";
    TRY(const Json config, read_json(config_path));
    const auto is_set = [&config](const char* key) {
      const auto found = config.find(key);
      return found != config.end() && found->is_boolean() && found->get<bool>();
    };
    const bool mean = is_set("pooling_mode_mean_tokens");
    const bool cls = is_set("pooling_mode_cls_token");
    const bool other =
        is_set("pooling_mode_max_tokens") || is_set("pooling_mode_mean_sqrt_len_tokens") ||
        is_set("pooling_mode_weightedmean_tokens") || is_set("pooling_mode_lasttoken");
    if (mean == cls || other) return unsupported(config_path, "has another pooling");
    pooling = mean ? LLAMA_POOLING_TYPE_MEAN : LLAMA_POOLING_TYPE_CLS;
  }
  if (!pooling) return unsupported(path, "has no pooling layer");
  return *pooling;
}

/// sentence-transformers' own bound on the text, where the folder has one.
Result<std::int64_t> read_max_tokens(const std::filesystem::path& folder, std::int64_t positions) {
  const std::filesystem::path path = folder / "sentence_bert_config.json";
  if (!std::filesystem::exists(path)) return positions;
  TRY(const Json config, read_json(path));
  const auto found = config.find("max_seq_length");
  if (found == config.end() || found->is_null()) return positions;
  TRY(const std::int64_t stated, read_count(config, "max_seq_length", kMaxWidth, path));
  return std::min(stated, positions);
}

Result<Encoder> read_encoder(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  TRY(const Json config, read_json(path));
  if (!config.is_object()) return fail(ErrorCode::kCorrupt, path.string() + ": expected an object");
  if (const std::string type = text_or(config, "model_type", ""); type != "bert") {
    return unsupported(path, fmt::format("model_type is \"{}\"", type));
  }
  if (const std::string act = text_or(config, "hidden_act", "gelu");
      act != "gelu" && act != "gelu_new" && act != "gelu_pytorch_tanh") {
    return unsupported(path, fmt::format("hidden_act is \"{}\"", act));
  }
  if (const std::string kind = text_or(config, "position_embedding_type", "absolute");
      kind != "absolute") {
    return unsupported(path, fmt::format("position_embedding_type is \"{}\"", kind));
  }

  Encoder encoder;
  TRY(encoder.hidden_size, read_count(config, "hidden_size", kMaxWidth, path));
  TRY(encoder.intermediate_size, read_count(config, "intermediate_size", kMaxWidth, path));
  TRY(encoder.layers, read_count(config, "num_hidden_layers", kMaxLayers, path));
  TRY(encoder.heads, read_count(config, "num_attention_heads", kMaxWidth, path));
  TRY(encoder.positions, read_count(config, "max_position_embeddings", kMaxWidth, path));
  TRY(encoder.token_types, read_count(config, "type_vocab_size", kMaxWidth, path));
  TRY(encoder.vocabulary, read_count(config, "vocab_size", kMaxVocabulary, path));
  if (encoder.hidden_size % encoder.heads != 0) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: hidden_size {} is no multiple of num_attention_heads {}",
                            path.string(), encoder.hidden_size, encoder.heads));
  }
  const auto epsilon = config.find("layer_norm_eps");
  encoder.layer_norm_eps =
      epsilon != config.end() && epsilon->is_number() ? epsilon->get<double>() : 1e-12;
  TRY(encoder.pooling, read_pooling(folder));
  TRY(encoder.max_tokens, read_max_tokens(folder, encoder.positions));
  return encoder;
}

/// The id of a special token. Errors: kUnsupported when the vocabulary has none.
Result<std::uint32_t> special_id(const Json& vocabulary, const std::string& token,
                                 const std::filesystem::path& path) {
  const auto found = vocabulary.find(token);
  if (found == vocabulary.end()) return unsupported(path, fmt::format("has no token {}", token));
  return found->get<std::uint32_t>();
}

/// llama.cpp matches a word with a mark before it and a continuation without one, so "play" and
/// "##ing" are stored as "▁play" and "ing".
std::string stored_form(const std::string& token) {
  return token.starts_with("##") ? token.substr(2) : "\u2581" + token;
}

Result<WordPiece> read_word_piece(const std::filesystem::path& folder, std::int64_t size) {
  const std::filesystem::path path = folder / "tokenizer.json";
  TRY(const Json tokenizer, read_json(path, kTokenizerLimits));
  const auto corrupt = [&path](std::string_view fault) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", path.string(), fault));
  };
  if (!tokenizer.is_object() || !tokenizer.contains("model") || !tokenizer["model"].is_object()) {
    return corrupt("expected an object with \"model\"");
  }
  const Json& model = tokenizer["model"];
  if (text_or(model, "type", "") != "WordPiece" ||
      text_or(model, "continuing_subword_prefix", "##") != "##") {
    return unsupported(path, "its model is not WordPiece with the prefix ##");
  }
  if (!model.contains("vocab") || !model["vocab"].is_object()) return corrupt("has no vocabulary");
  const Json& vocabulary = model["vocab"];
  const Json normalizer = tokenizer.value("normalizer", Json());
  if (!normalizer.is_object() || text_or(normalizer, "type", "") != "BertNormalizer") {
    return unsupported(path, "its normalizer is not BertNormalizer");
  }

  WordPiece pieces;
  pieces.lowercase = normalizer.value("lowercase", Json(true)) != Json(false);
  const Json strip = normalizer.value("strip_accents", Json());
  pieces.strip_accents = strip.is_boolean() ? strip.get<bool>() : pieces.lowercase;

  // An id without a token is a hole that no text reaches.
  for (std::int64_t id = 0; id < size; ++id) pieces.tokens.push_back(fmt::format("[PAD{}]", id));
  pieces.kinds.assign(static_cast<std::size_t>(size), LLAMA_TOKEN_TYPE_UNUSED);
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= static_cast<std::uint64_t>(size)) {
      return corrupt(fmt::format("the id of token \"{}\" is not below vocab_size {}", token, size));
    }
    const auto index = id.get<std::size_t>();
    pieces.tokens[index] = stored_form(token);
    pieces.kinds[index] = LLAMA_TOKEN_TYPE_NORMAL;
  }

  TRY(pieces.cls, special_id(vocabulary, "[CLS]", path));
  TRY(pieces.sep, special_id(vocabulary, "[SEP]", path));
  TRY(pieces.unk, special_id(vocabulary, text_or(model, "unk_token", "[UNK]"), path));
  if (vocabulary.contains("[PAD]")) pieces.pad = vocabulary["[PAD]"].get<std::uint32_t>();
  if (vocabulary.contains("[MASK]")) pieces.mask = vocabulary["[MASK]"].get<std::uint32_t>();
  const auto mark_control = [&](std::uint32_t id, const std::string& token) {
    pieces.tokens[id] = token;
    pieces.kinds[id] = LLAMA_TOKEN_TYPE_CONTROL;
  };
  mark_control(pieces.cls, "[CLS]");
  mark_control(pieces.sep, "[SEP]");
  mark_control(pieces.unk, text_or(model, "unk_token", "[UNK]"));
  if (pieces.pad) mark_control(*pieces.pad, "[PAD]");
  if (pieces.mask) mark_control(*pieces.mask, "[MASK]");
  return pieces;
}

/// One tensor of the encoder: its name there and here, and its shape.
struct Weight {
  std::string source;
  std::string target;
  std::vector<std::int64_t> shape;
  bool matrix = false;  // stored as the requested type; the rest stays f32
};

std::vector<Weight> weights_of(const Encoder& encoder) {
  const std::int64_t hidden = encoder.hidden_size;
  const std::int64_t inner = encoder.intermediate_size;
  std::vector<Weight> weights;
  const auto add_layer_norm = [&](const std::string& source, const std::string& target) {
    weights.push_back({source + ".weight", target + ".weight", {hidden}, false});
    weights.push_back({source + ".bias", target + ".bias", {hidden}, false});
  };
  const auto add_linear = [&](const std::string& source, const std::string& target,
                              std::int64_t out, std::int64_t in) {
    weights.push_back({source + ".weight", target + ".weight", {out, in}, true});
    weights.push_back({source + ".bias", target + ".bias", {out}, false});
  };

  weights.push_back({"embeddings.word_embeddings.weight",
                     "token_embd.weight",
                     {encoder.vocabulary, hidden},
                     true});
  weights.push_back({"embeddings.position_embeddings.weight",
                     "position_embd.weight",
                     {encoder.positions, hidden},
                     false});
  weights.push_back({"embeddings.token_type_embeddings.weight",
                     "token_types.weight",
                     {encoder.token_types, hidden},
                     false});
  add_layer_norm("embeddings.LayerNorm", "token_embd_norm");
  for (std::int64_t layer = 0; layer < encoder.layers; ++layer) {
    const std::string source = fmt::format("encoder.layer.{}.", layer);
    const std::string target = fmt::format("blk.{}.", layer);
    add_linear(source + "attention.self.query", target + "attn_q", hidden, hidden);
    add_linear(source + "attention.self.key", target + "attn_k", hidden, hidden);
    add_linear(source + "attention.self.value", target + "attn_v", hidden, hidden);
    add_linear(source + "attention.output.dense", target + "attn_output", hidden, hidden);
    add_layer_norm(source + "attention.output.LayerNorm", target + "attn_output_norm");
    add_linear(source + "intermediate.dense", target + "ffn_up", inner, hidden);
    add_linear(source + "output.dense", target + "ffn_down", hidden, inner);
    add_layer_norm(source + "output.LayerNorm", target + "layer_output_norm");
  }
  return weights;
}

/// Training leaves these beside the encoder; a sentence vector does not need them.
bool is_left_out(std::string_view tensor) {
  return tensor == "embeddings.position_ids" || tensor.starts_with("pooler.") ||
         tensor.starts_with("cls.");
}

void set_metadata(GgufWriter& gguf, const Encoder& encoder, const WordPiece& pieces,
                  const std::string& model_name, WeightType type) {
  const auto set_count = [&gguf](const std::string& key, std::int64_t value) {
    gguf.set_uint32(key, static_cast<std::uint32_t>(value));
  };
  gguf.set_string("general.name", model_name);
  gguf.set_uint32("general.file_type", type == WeightType::kF32   ? LLAMA_FTYPE_ALL_F32
                                       : type == WeightType::kF16 ? LLAMA_FTYPE_MOSTLY_F16
                                                                  : LLAMA_FTYPE_MOSTLY_Q8_0);
  gguf.set_uint32("general.quantization_version", GGML_QNT_VERSION);
  set_count("bert.context_length", encoder.positions);
  set_count("bert.embedding_length", encoder.hidden_size);
  set_count("bert.feed_forward_length", encoder.intermediate_size);
  set_count("bert.block_count", encoder.layers);
  set_count("bert.attention.head_count", encoder.heads);
  gguf.set_float("bert.attention.layer_norm_epsilon", static_cast<float>(encoder.layer_norm_eps));
  gguf.set_bool("bert.attention.causal", false);
  gguf.set_uint32("bert.pooling_type", static_cast<std::uint32_t>(encoder.pooling));
  set_count(kMaxTokensKey, encoder.max_tokens);

  gguf.set_string("tokenizer.ggml.model", "bert");
  gguf.set_string("tokenizer.ggml.pre", "default");
  gguf.set_strings("tokenizer.ggml.tokens", pieces.tokens);
  gguf.set_int32s("tokenizer.ggml.token_type", pieces.kinds);
  set_count("tokenizer.ggml.token_type_count", encoder.token_types);
  gguf.set_uint32("tokenizer.ggml.bos_token_id", pieces.cls);
  gguf.set_uint32("tokenizer.ggml.seperator_token_id", pieces.sep);  // as llama.cpp spells it
  gguf.set_uint32("tokenizer.ggml.unknown_token_id", pieces.unk);
  if (pieces.pad) gguf.set_uint32("tokenizer.ggml.padding_token_id", *pieces.pad);
  if (pieces.mask) gguf.set_uint32("tokenizer.ggml.mask_token_id", *pieces.mask);
  gguf.set_bool("tokenizer.ggml.normalizer.lowercase", pieces.lowercase);
  gguf.set_bool("tokenizer.ggml.normalizer.strip_accents", pieces.strip_accents);
}

}  // namespace

Result<void> import_bert(const std::filesystem::path& folder, const std::filesystem::path& output,
                         WeightType type) {
  TRY(const Encoder encoder, read_encoder(folder));
  TRY(const WordPiece pieces, read_word_piece(folder, encoder.vocabulary));
  const std::filesystem::path weights_path = folder / "model.safetensors";
  TRY(const base::Safetensors file, base::Safetensors::open(weights_path));

  GgufWriter gguf("bert");
  const std::filesystem::path named = std::filesystem::absolute(folder).lexically_normal();
  set_metadata(gguf, encoder, pieces,
               named.has_filename() ? named.filename() : named.parent_path().filename(), type);

  // Models saved with a head keep the encoder under "bert.".
  const std::string prefix = file.contains("bert.embeddings.word_embeddings.weight") ? "bert." : "";
  std::set<std::string, std::less<>> wanted;
  for (const Weight& weight : weights_of(encoder)) {
    const std::string source = prefix + weight.source;
    wanted.insert(source);
    TRY_VOID(gguf.add_tensor(
        weight.target, weight.shape, weight.matrix ? type : WeightType::kF32,
        [&file, source, shape = weight.shape] { return file.read_floats(source, shape); }));
  }
  for (const auto& [tensor, description] : file.tensors()) {
    const std::string_view bare =
        std::string_view(tensor).substr(tensor.starts_with(prefix) ? prefix.size() : 0);
    if (!wanted.contains(tensor) && !is_left_out(bare)) {
      return unsupported(weights_path, fmt::format("has an unknown tensor \"{}\"", tensor));
    }
  }
  return gguf.write(output);
}

}  // namespace rapport::language
