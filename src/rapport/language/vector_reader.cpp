#include "rapport/language/vector_reader.h"

#include <fmt/format.h>
#include <llama-cpp.h>
#include <llama.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <filesystem>
#include <mutex>

#include "rapport/base/in_parallel.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_adapter.h"

namespace rapport::language {
namespace {

// Positions computed together. Attention looks at all of them, whosever they are, so that more cost
// more than they gain.
constexpr std::int64_t kPositionsAtOnce = 512;
constexpr std::int64_t kSequencesAtOnce = 64;

/// True of encoders, as their metadata says.
bool reads_both_ways(const llama_model& model) {
  const auto metadata = [&](const std::string& key) -> std::string {
    std::array<char, 64> text = {};
    return llama_model_meta_val_str(&model, key.c_str(), text.data(), text.size()) > 0 ? text.data()
                                                                                       : "";
  };
  return metadata(metadata("general.architecture") + ".attention.causal") == "false";
}

struct BatchDeleter {
  void operator()(llama_batch* batch) const {
    llama_batch_free(*batch);
    delete batch;
  }
};

}  // namespace

struct VectorReader::State {
  std::string path;
  llama_model_ptr model;
  llama_context_ptr context;
  std::unique_ptr<llama_batch, BatchDeleter> batch;
  std::int64_t dimension = 0, positions_at_once = 0;
  std::mutex mutex;  // of context and batch

  void add(const float* vector, std::int64_t position, std::size_t sequence);
  Result<void> compute(bool states);
  Result<void> read(std::span<const float> vectors, std::span<const std::int64_t> offsets,
                    std::span<float> states);
};

Result<std::unique_ptr<VectorReader>> VectorReader::load(const VectorReaderOptions& options) {
  if (!std::filesystem::is_regular_file(options.path))
    return fail(ErrorCode::kNotFound,
                fmt::format("{}: no such model file: `rapport models list` says which are there",
                            options.path));
  TRY_VOID(start_llama_runtime());
  auto state = std::make_unique<State>();
  state->path = options.path;
  const LlamaLogCapture log;
  state->model.reset(
      llama_model_load_from_file(options.path.c_str(), llama_model_default_params()));
  if (!state->model)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} cannot be loaded: {}", options.path, log.last_error()), "model");
  if (llama_model_has_encoder(state->model.get()) || reads_both_ways(*state->model))
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} does not read from the first word to the last: use a decoder-only "
                            "model",
                            options.path),
                "model");
  llama_adapter_lora* adapter = nullptr;
  if (!options.adapter.empty()) {
    TRY(adapter, load_adapter(*state->model, options.adapter));
  }
  if (const std::int64_t trained = llama_model_n_ctx_train(state->model.get());
      options.longest > trained)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} reads {} positions: a sequence of {} is too long", options.path,
                            trained, options.longest),
                "max_length");
  state->dimension = llama_model_n_embd(state->model.get());
  state->positions_at_once = std::max(kPositionsAtOnce, options.longest);

  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(state->positions_at_once);
  params.n_batch = params.n_ctx;
  params.n_ubatch = kPositionsAtOnce;
  params.n_seq_max = kSequencesAtOnce;
  params.kv_unified = true;
  params.pooling_type = LLAMA_POOLING_TYPE_NONE;
  params.n_threads = params.n_threads_batch =
      static_cast<std::int32_t>(base::thread_count(options.threads));
  state->context.reset(llama_init_from_model(state->model.get(), params));
  if (!state->context)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: llama.cpp cannot start it: {}", options.path, log.last_error()));
  TRY_VOID(use_adapter(*state->context, adapter));
  state->batch.reset(
      new llama_batch(llama_batch_init(static_cast<std::int32_t>(state->positions_at_once),
                                       static_cast<std::int32_t>(state->dimension), 1)));
  return std::unique_ptr<VectorReader>(new VectorReader(std::move(state)));
}

VectorReader::VectorReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
VectorReader::~VectorReader() = default;

std::int64_t VectorReader::dimension() const {
  return state_->dimension;
}

Result<void> VectorReader::read(std::span<const float> vectors,
                                std::span<const std::int64_t> offsets, std::span<float> states) {
  const auto d = static_cast<std::size_t>(state_->dimension);
  const std::size_t sequences = offsets.size() - 1;
  assert(states.size() == sequences * d);
  for (std::size_t i = 0; i < sequences; ++i)
    if (const std::int64_t size = offsets[i + 1] - offsets[i];
        size < 1 || size > state_->positions_at_once)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("sequence {} has {} vectors: from 1 to {} are read", i, size,
                              state_->positions_at_once));
  const std::lock_guard lock(state_->mutex);
  for (std::size_t begin = 0; begin < sequences;) {
    std::size_t end = begin;
    while (end < sequences && end - begin < kSequencesAtOnce &&
           offsets[end + 1] - offsets[begin] <= state_->positions_at_once)
      ++end;
    TRY_VOID(state_->read(vectors, offsets.subspan(begin, end - begin + 1),
                          states.subspan(begin * d, (end - begin) * d)));
    begin = end;
  }
  return {};
}

void VectorReader::State::add(const float* vector, std::int64_t position, std::size_t sequence) {
  const auto at = static_cast<std::size_t>(batch->n_tokens++);
  const auto d = static_cast<std::size_t>(dimension);
  std::copy_n(vector, d, batch->embd + at * d);
  batch->pos[at] = static_cast<llama_pos>(position);
  batch->n_seq_id[at] = 1;
  batch->seq_id[at][0] = static_cast<llama_seq_id>(sequence);
}

/// With `states`, those of all positions of the batch are there afterwards.
Result<void> VectorReader::State::compute(bool states) {
  if (batch->n_tokens == 0) return {};
  std::fill_n(batch->logits, batch->n_tokens, static_cast<std::int8_t>(states));
  llama_set_embeddings(context.get(), states);
  if (const std::int32_t status = llama_decode(context.get(), *batch); status != 0)
    return fail(ErrorCode::kInternal,
                fmt::format("{}: llama.cpp gave {} for {} vectors", path, status, batch->n_tokens));
  return {};
}

/// Sequences that fit one batch.
Result<void> VectorReader::State::read(std::span<const float> vectors,
                                       std::span<const std::int64_t> offsets,
                                       std::span<float> states) {
  llama_memory_clear(llama_get_memory(context.get()), /*data=*/false);
  const auto vector_at = [&](std::int64_t position) {
    return vectors.data() + position * dimension;
  };
  // All but the last of each, then the last ones: llama.cpp scores the whole vocabulary wherever it
  // gives a state, which would cost more than a quarter of the rest.
  const std::size_t sequences = offsets.size() - 1;
  batch->n_tokens = 0;
  for (std::size_t i = 0; i < sequences; ++i)
    for (std::int64_t at = offsets[i]; at + 1 < offsets[i + 1]; ++at)
      add(vector_at(at), at - offsets[i], i);
  TRY_VOID(compute(/*states=*/false));
  batch->n_tokens = 0;
  for (std::size_t i = 0; i < sequences; ++i)
    add(vector_at(offsets[i + 1] - 1), offsets[i + 1] - 1 - offsets[i], i);
  TRY_VOID(compute(/*states=*/true));
  for (std::size_t i = 0; i < sequences; ++i) {
    const float* const state =
        llama_get_embeddings_ith(context.get(), static_cast<std::int32_t>(i));
    if (state == nullptr)
      return fail(ErrorCode::kInternal, fmt::format("{}: llama.cpp gave no state", path));
    std::copy_n(state, dimension, states.data() + i * static_cast<std::size_t>(dimension));
  }
  return {};
}

}  // namespace rapport::language
