#include "rapport/language/embedded_model.h"

#include <common.h>
#include <fmt/format.h>
#include <llama.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <system_error>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/in_parallel.h"
#include "rapport/base/log.h"
#include "rapport/language/chat_template.h"
#include "rapport/language/embedded_answer.h"
#include "rapport/language/embedded_sampler.h"
#include "rapport/language/inference_thread.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_adapter.h"
#include "rapport/language/model_files.h"
#include "rapport/language/schema_bounds.h"

namespace rapport::language {
namespace {

/// They do not change what an embedded model would write: who asks, bookkeeping of a service, and
/// how the answer travels.
constexpr std::string_view kHarmless[] = {"user",
                                          "metadata",
                                          "store",
                                          "service_tier",
                                          "stream",
                                          "stream_options",
                                          "parallel_tool_calls",
                                          "prompt_cache_key",
                                          "safety_identifier"};

constexpr std::size_t kMaxAdapterBytes = std::size_t{1} << 30;

Result<void> check_passthrough(const Json& passthrough) {
  for (const auto& [key, value] : passthrough.items()) {
    if (value.is_null() || std::ranges::find(kHarmless, key) != std::end(kHarmless)) continue;
    if (key == "modalities" && value == Json::array({"text"})) continue;
    return fail(ErrorCode::kUnsupported,
                fmt::format("the embedded model cannot honour {}: leave it out", key), key);
  }
  return {};
}

ChatInputs chat_inputs(const GenerateRequest& request) {
  return {.messages = request.messages,
          .tools = request.tools,
          .tool_choice = request.tool_choice,
          .parallel_tool_calls = request.passthrough.value("parallel_tool_calls", Json()) != false};
}

Error too_long(std::size_t prompt_tokens, std::int64_t context_tokens) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("the prompt has {} tokens and this model reads at most {}: send fewer or "
                      "shorter messages",
                      prompt_tokens, context_tokens),
          "messages",
          "context_length_exceeded",
          {}};
}

/// Of a file's size, first and last bytes: metadata, and weights of the last layers. All of it
/// would be seconds for a large model.
Result<std::string> digest_of_ends(const std::filesystem::path& path) {
  constexpr std::streamoff kEnd = 1 << 20;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  std::string ends(static_cast<std::size_t>(std::min(size, 2 * kEnd)), '\0');
  const auto half = static_cast<std::streamsize>(ends.size() / 2);
  const auto rest = static_cast<std::streamsize>(ends.size()) - half;
  file.seekg(0).read(ends.data(), half);
  file.seekg(-static_cast<std::streamoff>(rest), std::ios::end).read(ends.data() + half, rest);
  if (!file) return fail(ErrorCode::kIo, fmt::format("{} cannot be read", path.string()), "model");
  return base::digest(fmt::format("{}:{}", size, ends));
}

/// The same for the same weights and build: the model file's ends, the adapter's bytes, llama.cpp's
/// version.
Result<std::string> fingerprint_of(const ModelFile& file, const std::string& adapter) {
  TRY(const std::string model, digest_of_ends(file.path));
  std::string parts = fmt::format("{}:{}", model, llama_version_text());
  if (!adapter.empty()) {
    TRY(const std::string bytes, base::read_file(adapter, kMaxAdapterBytes));
    parts += ":" + base::digest(bytes);
  }
  return "fp_" + base::digest(parts).substr(0, 12);
}

std::int64_t created(const std::filesystem::path& path) {
  std::error_code error;
  const auto written = std::filesystem::last_write_time(path, error);
  if (error) return 0;
  const auto system = std::chrono::file_clock::to_sys(written);
  return std::chrono::duration_cast<std::chrono::seconds>(system.time_since_epoch()).count();
}

std::int64_t metadata_integer(const llama_model& model, const std::string& key,
                              std::int64_t otherwise) {
  char text[32] = {};
  if (llama_model_meta_val_str(&model, key.c_str(), text, sizeof text) <= 0) return otherwise;
  const std::int64_t value = std::strtoll(text, nullptr, 10);
  return value > 0 ? value : otherwise;
}

/// Bytes of keys and values that one token leaves in the cache (16-bit floats).
std::int64_t cell_bytes(const llama_model& model, const std::string& architecture) {
  const std::int64_t head = llama_model_n_embd(&model) / std::max(1, llama_model_n_head(&model));
  const std::int64_t key = metadata_integer(model, architecture + ".attention.key_length", head);
  const std::int64_t value =
      metadata_integer(model, architecture + ".attention.value_length", head);
  return 2 * (key + value) * llama_model_n_head_kv(&model) * llama_model_n_layer(&model);
}

/// As many conversations as `cache_mib` has room for.
std::int64_t affordable_parallel(const EmbeddedOptions& options, std::int64_t bytes_per_cell) {
  const std::int64_t one = std::max<std::int64_t>(1, options.context_tokens * bytes_per_cell);
  const std::int64_t room = options.cache_mib * (1 << 20) / one;
  const std::int64_t parallel = std::clamp<std::int64_t>(room, 1, options.parallel);
  if (parallel < options.parallel)
    base::log_warning(
        "fewer conversations run side by side than language.embedded.parallel says: "
        "raise language.embedded.cache_mib or lower context_tokens",
        {{"parallel", parallel}, {"mib_each", one >> 20}});
  return parallel;
}

Result<void> check_options(const EmbeddedOptions& options) {
  const auto within = [](std::string_view field, std::int64_t value, std::int64_t minimum,
                         std::int64_t maximum) -> Result<void> {
    if (value >= minimum && value <= maximum) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("language.embedded.{} is {}: expected {} to {}", field, value, minimum,
                            maximum),
                std::string(field));
  };
  TRY_VOID(within("context_tokens", options.context_tokens, 64, 1 << 20));
  TRY_VOID(within("parallel", options.parallel, 1, 64));
  TRY_VOID(within("batch_tokens", options.batch_tokens, 64, 4096));
  TRY_VOID(within("shared_batch_tokens", options.shared_batch_tokens, 64, 4096));
  TRY_VOID(within("threads", options.threads, 0, 512));
  return within("max_queued", options.max_queued, 1, 1 << 20);
}

/// Physical cores, but no more than this process may use.
std::int64_t default_threads() {
  const auto permitted = static_cast<std::int32_t>(base::thread_count(0));
  return std::max(1, std::min(common_cpu_get_num_physical_cores(), permitted));
}

struct ModelDeleter {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
using Model = std::unique_ptr<llama_model, ModelDeleter>;

}  // namespace

class EmbeddedModel::State {
 public:
  EmbeddedOptions options;
  ModelInfo info;
  std::string fingerprint;
  Model model;
  const llama_vocab* vocab = nullptr;
  std::unique_ptr<ChatTemplate> chat;
  std::unique_ptr<InferenceThread> thread;  // last: it uses all of the above
};

Result<std::unique_ptr<EmbeddedModel>> EmbeddedModel::load(const EmbeddedOptions& options) {
  TRY_VOID(check_options(options));
  TRY(const ModelFile file, read_model_file(options.path));
  std::string template_source;
  if (options.chat_template.empty()) {
    TRY_VOID(check_chat_model(file));
  } else {
    TRY(template_source, base::read_file(options.chat_template, 1 << 20));
  }
  TRY_VOID(start_llama_runtime());

  auto state = std::make_unique<State>();
  state->options = options;
  {
    const LlamaLogCapture log;
    state->model.reset(llama_model_load_from_file(file.path.c_str(), llama_model_default_params()));
    if (!state->model)
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} cannot be loaded: {}", file.path.string(), log.last_error()),
                  "model");
  }
  if (llama_model_has_encoder(state->model.get()))
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} reads its prompt with an encoder ({}): use a decoder-only model",
                            file.path.string(), file.architecture),
                "model");
  state->vocab = llama_model_get_vocab(state->model.get());
  TRY(state->chat, ChatTemplate::create(*state->model, template_source));

  const std::int64_t trained = llama_model_n_ctx_train(state->model.get());
  EmbeddedOptions& effective = state->options;
  effective.context_tokens = std::min(options.context_tokens, trained);
  effective.parallel = affordable_parallel(effective, cell_bytes(*state->model, file.architecture));
  if (effective.threads == 0) effective.threads = default_threads();
  llama_adapter_lora* adapter = nullptr;
  if (!options.adapter.empty()) {
    TRY(adapter, load_adapter(*state->model, options.adapter));
  }
  TRY(state->thread, InferenceThread::start(*state->model, adapter, effective));

  TRY(state->fingerprint, fingerprint_of(file, options.adapter));
  state->info = {.id = options.id.empty() ? file.name : options.id,
                 .backend = "embedded",
                 .created = created(file.path),
                 .context_tokens = effective.context_tokens,
                 .parameters = file.parameters};
  base::log_info("language model loaded", {{"model", state->info.id},
                                           {"parameters", state->info.parameters},
                                           {"quantization", file.quantization},
                                           {"context_tokens", effective.context_tokens},
                                           {"parallel", effective.parallel},
                                           {"threads", effective.threads}});
  return std::unique_ptr<EmbeddedModel>(new EmbeddedModel(std::move(state)));
}

EmbeddedModel::EmbeddedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}

EmbeddedModel::~EmbeddedModel() {
  shutdown();
}

void EmbeddedModel::shutdown() {
  state_->thread->shutdown();
}

Result<void> EmbeddedModel::do_check(const GenerateRequest& request) const {
  if (!request.model.empty() && request.model != "default" && request.model != state_->info.id)
    return fail(ErrorCode::kNotFound,
                fmt::format("there is no model \"{}\": this one is \"{}\" or \"default\"",
                            request.model, state_->info.id),
                "model", "model_not_found");
  TRY_VOID(check_passthrough(request.passthrough));
  const ChatInputs inputs = chat_inputs(request);
  TRY_VOID(state_->chat->check(inputs));
  const bool with_tools =
      inputs.tools.is_array() && !inputs.tools.empty() && inputs.tool_choice != "none";
  if (with_tools && request.output.kind != OutputKind::kText)
    return fail(ErrorCode::kUnsupported,
                "response_format cannot be followed together with tools: send one of them",
                "response_format");
  if (with_tools) TRY_VOID(check_patterns(inputs.tools, "tools"));
  TRY_VOID(check_patterns(request.output.schema, "response_format"));
  TRY_VOID(output_grammar(request.output));
  return {};
}

void EmbeddedModel::do_generate(GenerateRequest request, GenerateCallbacks callbacks) {
  const auto prepare = [&]() -> Result<std::unique_ptr<Answer>> {
    TRY(std::string grammar, output_grammar(request.output));
    TRY(ChatPrompt prompt, state_->chat->render(chat_inputs(request)));
    if (!prompt.grammar.empty()) grammar = prompt.grammar;
    if (prompt.tokens.size() > static_cast<std::size_t>(state_->options.context_tokens))
      return fail(too_long(prompt.tokens.size(), state_->options.context_tokens));
    TRY(auto sampler,
        TokenSampler::create(*state_->model, {.defaults = state_->options,
                                              .sampling = request.sampling,
                                              .grammar = grammar,
                                              .tool_format = prompt.tool_format.get()}));
    const Answer::Limits limits{
        .max_tokens =
            request.max_tokens.value_or(static_cast<std::int32_t>(state_->options.max_tokens)),
        .context_tokens = static_cast<std::int32_t>(state_->options.context_tokens)};
    return std::make_unique<Answer>(*state_->vocab, request, std::move(prompt), std::move(sampler),
                                    limits, state_->info.id, state_->fingerprint,
                                    std::move(callbacks));
  };
  auto answer = prepare();
  if (!answer) {
    callbacks.on_done(fail(std::move(answer).error()));
    return;
  }
  state_->thread->submit(*std::move(answer), request.stop_token);
}

Result<std::int64_t> EmbeddedModel::do_count_tokens(const std::vector<ChatMessage>& messages,
                                                    const Json& tools) const {
  TRY(const ChatPrompt prompt,
      state_->chat->render({.messages = messages, .tools = tools, .tool_choice = {}}));
  return static_cast<std::int64_t>(prompt.tokens.size());
}

void EmbeddedModel::do_forget() {
  state_->thread->forget();
}

std::vector<ModelInfo> EmbeddedModel::do_models() const {
  return {state_->info};
}

Result<ChoiceScores> EmbeddedModel::score_choices(const ChoiceRequest& request) {
  if (request.choices.empty())
    return fail(ErrorCode::kInvalidArgument, "there are no choices to score", "choices");
  auto scoring = std::make_unique<Scoring>();
  scoring->stop_token = request.stop_token;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < request.choices.size(); ++i) {
    scoring->choices.push_back(tokenize(request.choices[i]));
    if (scoring->choices.back().empty())
      return fail(ErrorCode::kInvalidArgument, fmt::format("choices[{}] is empty", i),
                  fmt::format("choices[{}]", i));
    longest = std::max(longest, scoring->choices.back().size());
  }
  if (request.messages.empty()) {
    scoring->prompt = common_tokenize(state_->vocab, request.prompt, /*add_special=*/true,
                                      /*parse_special=*/false);
  } else {
    TRY(scoring->prompt, prompt_tokens(request.messages));
  }
  if (scoring->prompt.empty())
    return fail(ErrorCode::kInvalidArgument, "there is nothing to score the choices after",
                "prompt");
  // A choice's last token is only looked up, never computed.
  if (scoring->prompt.size() + longest - 1 >
      static_cast<std::size_t>(state_->options.context_tokens))
    return fail(too_long(scoring->prompt.size() + longest - 1, state_->options.context_tokens));

  std::promise<Result<ChoiceScores>> promise;
  auto done = promise.get_future();
  scoring->on_done = [&promise](Result<ChoiceScores> scores) {
    promise.set_value(std::move(scores));
  };
  state_->thread->submit(std::move(scoring));
  return done.get();
}

std::vector<std::int32_t> EmbeddedModel::tokenize(const std::string& text) const {
  return common_tokenize(state_->vocab, text, /*add_special=*/false, /*parse_special=*/false);
}

Result<std::vector<std::int32_t>> EmbeddedModel::prompt_tokens(
    const std::vector<ChatMessage>& messages) const {
  TRY(ChatPrompt prompt, state_->chat->render({.messages = messages}));
  return std::move(prompt.tokens);
}

std::int32_t EmbeddedModel::end_token() const {
  const llama_token turn = llama_vocab_eot(state_->vocab);
  return turn != LLAMA_TOKEN_NULL ? turn : llama_vocab_eos(state_->vocab);
}

const std::string& EmbeddedModel::fingerprint() const {
  return state_->fingerprint;
}

std::string EmbeddedModel::token_bytes(std::int32_t token) const {
  return token_piece(*state_->vocab, token, /*special=*/true);
}

}  // namespace rapport::language
