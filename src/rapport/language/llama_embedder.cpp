#include "rapport/language/llama_embedder.h"

#include <fmt/format.h>
#include <llama-cpp.h>
#include <llama.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "rapport/base/in_parallel.h"
#include "rapport/base/text.h"
#include "rapport/language/bert_import.h"
#include "rapport/language/llama_runtime.h"

namespace rapport::language {
namespace {

using Tokens = std::vector<llama_token>;

// Texts in one pass; llama.cpp allows 256 sequences, and 512 tokens hold some 50 short texts.
constexpr std::int64_t kMaxTextsPerBatch = 64;
// The memory of attention grows with the square of a text: here some 200 MB for 12 heads.
constexpr std::int32_t kMostTokens = 2'048;
// Only white space and unreadable runs have this many bytes a token. It bounds the work on a text
// that is going to be refused.
constexpr std::int64_t kMaxBytesPerToken = 256;

struct BatchDeleter {
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};

void add(llama_batch& batch, const Tokens& tokens, llama_seq_id sequence) {
  for (std::size_t position = 0; position < tokens.size(); ++position) {
    const auto at = static_cast<std::size_t>(batch.n_tokens++);
    batch.token[at] = tokens[position];
    batch.pos[at] = static_cast<llama_pos>(position);
    batch.n_seq_id[at] = 1;
    batch.seq_id[at][0] = sequence;
    batch.logits[at] = 1;
  }
}

/// Writes `vector` with unit length into `row`.
void normalize(std::span<const float> vector, std::span<float> row) {
  const double squared = std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0);
  const double scale = squared > 0 ? 1 / std::sqrt(squared) : 0;
  std::ranges::transform(vector, row.begin(), [scale](float value) {
    return static_cast<float>(static_cast<double>(value) * scale);
  });
}

/// Korean syllables taken apart into letters (Unicode, section 3.12). A tokenizer that strips
/// accents works on decomposed text; llama.cpp's decomposition keeps the first letter of a syllable
/// only.
std::string decompose_hangul(std::string_view text) {
  constexpr std::uint32_t kFirst = 0xac00, kLast = 0xd7a3, kVowels = 21, kTails = 28;
  std::string letters;
  letters.reserve(text.size());
  const auto append = [&letters](std::uint32_t letter) {  // all are three bytes long
    letters += static_cast<char>(0xe0 | letter >> 12);
    letters += static_cast<char>(0x80 | (letter >> 6 & 0x3f));
    letters += static_cast<char>(0x80 | (letter & 0x3f));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[i + at]); };
    std::uint32_t character = 0;
    if (byte(0) >> 4 == 0xe && i + 2 < text.size()) {
      character = (byte(0) & 0xfu) << 12 | (byte(1) & 0x3fu) << 6 | (byte(2) & 0x3fu);
    }
    if (character < kFirst || character > kLast) {
      letters += text[i];
      continue;
    }
    const std::uint32_t syllable = character - kFirst;
    append(0x1100 + syllable / (kVowels * kTails));
    append(0x1161 + syllable / kTails % kVowels);
    if (syllable % kTails != 0) append(0x11a7 + syllable % kTails);
    i += 2;
  }
  return letters;
}

/// The value of a metadata key, "" when there is none.
std::string read_metadata(const llama_model& model, const char* key) {
  std::array<char, 32> text = {};
  const std::int32_t length = llama_model_meta_val_str(&model, key, text.data(), text.size());
  return length > 0 ? std::string(text.data()) : std::string();
}

/// Read from the metadata: a context for a language model would take gigabytes before it told.
bool has_pooling(const llama_model& model) {
  const std::string key = read_metadata(model, "general.architecture") + ".pooling_type";
  const std::string pooling = read_metadata(model, key.c_str());
  return pooling == std::to_string(LLAMA_POOLING_TYPE_MEAN) ||
         pooling == std::to_string(LLAMA_POOLING_TYPE_CLS);
}

/// What the importer noted, or the positions the weights have.
std::int64_t read_max_tokens(const llama_model& model) {
  const std::int64_t positions = std::min(llama_model_n_ctx_train(&model), kMostTokens);
  const std::string text = read_metadata(model, kMaxTokensKey);
  std::int64_t stated = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), stated).ec != std::errc{}) {
    return positions;
  }
  return std::clamp<std::int64_t>(stated, 2, positions);
}

}  // namespace

void EmbedderOptions::describe(base::OptionSet& set) {
  set.add("language.embedding.path", path, "GGUF of the sentence encoder");
  set.add("language.embedding.id", id, "its name in /v1/models; \"\" takes the file's name");
  set.add("language.embedding.threads", threads, "threads of one pass; 0: half the cores", 0, 256);
  set.add("language.embedding.batch_tokens", batch_tokens,
          "tokens of short texts that go through the encoder together", 32, 8'192);
}

struct LlamaEmbedder::State {
  std::string id;
  llama_model_ptr model;
  llama_context_ptr context;
  std::unique_ptr<llama_batch, BatchDeleter> batch;
  std::int64_t dimensions = 0;
  std::int64_t max_tokens = 0;
  bool strips_accents = true;
  std::int64_t batch_tokens = 0;
  std::mutex mutex;  // of context and batch

  Result<void> run(std::span<const Tokens> texts, std::span<float> rows);
};

Result<std::unique_ptr<LlamaEmbedder>> LlamaEmbedder::load(const EmbedderOptions& options) {
  const std::filesystem::path path = options.path;
  if (!std::filesystem::is_regular_file(path)) {
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no such model file: `rapport models list` says which are there",
                            options.path));
  }
  TRY_VOID(start_llama_runtime());

  auto state = std::make_unique<State>();
  state->id = options.id.empty() ? path.stem().string() : options.id;
  const LlamaLogCapture log;
  state->model.reset(llama_model_load_from_file(path.c_str(), llama_model_default_params()));
  if (!state->model) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: llama.cpp cannot load it: {}", options.path, log.last_error()));
  }
  if (!has_pooling(*state->model)) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: is no sentence encoder (its metadata names neither mean nor [CLS] "
                            "pooling): import one with `rapport models import`",
                            options.path));
  }
  state->dimensions = llama_model_n_embd_out(state->model.get());
  state->max_tokens = read_max_tokens(*state->model);
  state->strips_accents =
      read_metadata(*state->model, "tokenizer.ggml.normalizer.strip_accents") != "false";
  state->batch_tokens = std::max(options.batch_tokens, state->max_tokens);

  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(state->batch_tokens);
  params.n_batch = params.n_ctx;
  params.n_ubatch = params.n_ctx;  // attention looks both ways: a text must be in one piece
  params.n_seq_max = kMaxTextsPerBatch;
  params.kv_unified = true;
  params.embeddings = true;
  params.n_threads = static_cast<std::int32_t>(
      options.threads > 0
          ? options.threads
          : std::max<std::int64_t>(1, static_cast<std::int64_t>(base::thread_count(0)) / 2));
  params.n_threads_batch = params.n_threads;
  state->context.reset(llama_init_from_model(state->model.get(), params));
  if (!state->context) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: llama.cpp cannot start it: {}", options.path, log.last_error()));
  }
  state->batch.reset(new llama_batch(
      llama_batch_init(static_cast<std::int32_t>(state->batch_tokens), 0, /*n_seq_max=*/1)));
  return std::unique_ptr<LlamaEmbedder>(new LlamaEmbedder(std::move(state)));
}

LlamaEmbedder::LlamaEmbedder(std::unique_ptr<State> state) : state_(std::move(state)) {}
LlamaEmbedder::~LlamaEmbedder() = default;

std::int64_t LlamaEmbedder::max_tokens() const {
  return state_->max_tokens;
}
std::int64_t LlamaEmbedder::do_dimensions() const {
  return state_->dimensions;
}
std::string LlamaEmbedder::do_id() const {
  return state_->id;
}

Result<Tokens> LlamaEmbedder::tokenize(const std::string& text) const {
  if (!base::is_utf8(text)) return fail(ErrorCode::kInvalidArgument, "the text is not UTF-8");
  const std::int64_t max_bytes = state_->max_tokens * kMaxBytesPerToken;
  if (std::cmp_greater(text.size(), max_bytes)) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the text has {} bytes; this model reads {} tokens, at most {} bytes: "
                            "split it",
                            text.size(), state_->max_tokens, max_bytes),
                "", "context_length_exceeded");
  }
  const std::string decomposed = state_->strips_accents ? decompose_hangul(text) : text;
  Tokens tokens(decomposed.size() + 2);
  const std::int32_t count = llama_tokenize(
      llama_model_get_vocab(state_->model.get()), decomposed.data(),
      static_cast<std::int32_t>(decomposed.size()), tokens.data(),
      static_cast<std::int32_t>(tokens.size()), /*add_special=*/true, /*parse_special=*/false);
  if (count < 0) return fail(ErrorCode::kInternal, "the text has more tokens than bytes");
  tokens.resize(static_cast<std::size_t>(count));
  return tokens;
}

Result<EmbeddingMatrix> LlamaEmbedder::do_embed(const std::vector<std::string>& texts) {
  EmbeddingMatrix matrix;
  matrix.rows = static_cast<std::int64_t>(texts.size());
  matrix.columns = state_->dimensions;
  std::vector<Tokens> inputs;
  inputs.reserve(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string field = fmt::format("input[{}]", i);
    auto tokens = tokenize(texts[i]);
    if (!tokens) {
      Error error = std::move(tokens).error();
      return fail(error.code, fmt::format("{}: {}", field, error.message), field, error.reason);
    }
    if (std::cmp_greater(tokens->size(), state_->max_tokens)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has {} tokens; {} reads at most {}: split it", field,
                              tokens->size(), state_->id, state_->max_tokens),
                  field, "context_length_exceeded");
    }
    matrix.tokens += static_cast<std::int64_t>(tokens->size());
    inputs.push_back(*std::move(tokens));
  }

  const auto columns = static_cast<std::size_t>(state_->dimensions);
  matrix.values.resize(inputs.size() * columns);
  for (std::size_t begin = 0; begin < inputs.size();) {
    std::size_t end = begin;
    for (std::int64_t tokens = 0; end < inputs.size() && end - begin < kMaxTextsPerBatch; ++end) {
      tokens += static_cast<std::int64_t>(inputs[end].size());
      if (tokens > state_->batch_tokens) break;
    }
    TRY_VOID(
        state_->run(std::span(inputs).subspan(begin, end - begin),
                    std::span(matrix.values).subspan(begin * columns, (end - begin) * columns)));
    begin = end;
  }
  return matrix;
}

/// One pass: the texts fit one batch, `rows` is [texts × dimensions].
Result<void> LlamaEmbedder::State::run(std::span<const Tokens> texts, std::span<float> rows) {
  const std::lock_guard lock(mutex);
  batch->n_tokens = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    add(*batch, texts[i], static_cast<llama_seq_id>(i));
  }
  if (llama_memory_t memory = llama_get_memory(context.get())) llama_memory_clear(memory, true);
  if (const std::int32_t status = llama_decode(context.get(), *batch); status != 0) {
    return fail(ErrorCode::kInternal,
                fmt::format("{}: llama.cpp gave {} for {} texts", id, status, texts.size()));
  }
  const auto columns = static_cast<std::size_t>(dimensions);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const float* const vector =
        llama_get_embeddings_seq(context.get(), static_cast<llama_seq_id>(i));
    if (vector == nullptr) {
      return fail(ErrorCode::kInternal, fmt::format("{}: llama.cpp gave no vector", id));
    }
    normalize({vector, columns}, rows.subspan(i * columns, columns));
  }
  return {};
}

}  // namespace rapport::language
