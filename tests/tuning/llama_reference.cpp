#include "llama_reference.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <memory>

#include "rapport/language/llama_runtime.h"

namespace rapport::tuning {
namespace {

constexpr auto kDelete = []<typename T>(T* pointer, auto destroy) {
  return std::unique_ptr<T, decltype(destroy)>(pointer, destroy);
};

}  // namespace

std::vector<float> llama_logits(const std::filesystem::path& model,
                                const std::vector<std::int32_t>& tokens, std::size_t first,
                                const std::filesystem::path& adapter) {
  EXPECT_TRUE(language::start_llama_runtime());
  const language::LlamaLogCapture log;
  const auto loaded = kDelete(
      llama_model_load_from_file(model.c_str(), llama_model_default_params()), llama_model_free);
  if (!loaded) {
    ADD_FAILURE() << log.last_error();
    return {};
  }
  llama_context_params parameters = llama_context_default_params();
  parameters.n_ctx = parameters.n_batch = parameters.n_ubatch =
      static_cast<std::uint32_t>(tokens.size() + 8);
  parameters.n_threads = parameters.n_threads_batch = 1;
  parameters.type_k = parameters.type_v = GGML_TYPE_F32;
  parameters.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  const auto context = kDelete(llama_init_from_model(loaded.get(), parameters), llama_free);
  if (!adapter.empty()) {
    llama_adapter_lora* lora = llama_adapter_lora_init(loaded.get(), adapter.c_str());
    if (lora == nullptr) {
      ADD_FAILURE() << log.last_error();
      return {};
    }
    float scale = 1;
    EXPECT_EQ(llama_set_adapters_lora(context.get(), &lora, 1, &scale), 0);
  }
  llama_batch batch = llama_batch_init(static_cast<std::int32_t>(tokens.size()), 0, 1);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    batch.token[i] = tokens[i];
    batch.pos[i] = static_cast<llama_pos>(i);
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = i >= first;
  }
  batch.n_tokens = static_cast<std::int32_t>(tokens.size());
  EXPECT_EQ(llama_decode(context.get(), batch), 0);
  llama_batch_free(batch);
  const std::int32_t vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(loaded.get()));
  const float* const logits = llama_get_logits(context.get());
  return {logits, logits + (tokens.size() - first) * static_cast<std::size_t>(vocabulary)};
}

}  // namespace rapport::tuning
