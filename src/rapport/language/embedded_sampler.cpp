#include "rapport/language/embedded_sampler.h"

#include <chat.h>
#include <common.h>
#include <fmt/format.h>
#include <json-schema-to-grammar.h>
#include <llama.h>
#include <sampling.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <iterator>
#include <limits>
#include <queue>

namespace rapport::language {
namespace {

/// Every alternative of a grammar is tried at each token: a list of 4,000 words, some 64 KiB, takes
/// a second to begin with, and the time grows with the square.
constexpr std::size_t kMaxGrammarBytes = 64 << 10;

/// llama.cpp's seeds have 32 bits and one of them means "random".
std::uint32_t fold_seed(std::int64_t seed) {
  const auto bits = static_cast<std::uint64_t>(seed);
  const auto folded = static_cast<std::uint32_t>(bits ^ (bits >> 32));
  return folded == LLAMA_DEFAULT_SEED ? 0 : folded;
}

/// The `count` largest of `logits`, in no order, by one pass with a small heap: most of the
/// vocabulary is only compared with the smallest kept so far.
std::vector<llama_token_data> largest(const float* logits, std::int32_t vocabulary,
                                      std::int32_t count) {
  const auto smaller = [](const llama_token_data& a, const llama_token_data& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  };
  std::vector<llama_token_data> heap;
  const std::int32_t kept = std::min(count, vocabulary);
  heap.reserve(static_cast<std::size_t>(kept));
  std::int32_t token = 0;
  for (; token < kept; ++token) heap.push_back({token, logits[token], 0});
  std::make_heap(heap.begin(), heap.end(), smaller);
  for (; token < vocabulary && kept > 0; ++token) {
    if (!(logits[token] > heap.front().logit)) continue;
    std::pop_heap(heap.begin(), heap.end(), smaller);
    heap.back() = {token, logits[token], 0};
    std::push_heap(heap.begin(), heap.end(), smaller);
  }
  return heap;
}

}  // namespace

LogSoftmax::LogSoftmax(const float* logits, std::int32_t vocabulary)
    : logits_(logits), vocabulary_(vocabulary) {
  const float largest_logit = *std::max_element(logits, logits + vocabulary);
  double sum = 0;
  for (std::int32_t token = 0; token < vocabulary; ++token)
    sum += static_cast<double>(std::exp(logits[token] - largest_logit));
  log_sum_ = largest_logit + static_cast<float>(std::log(sum));
}

std::vector<std::int32_t> LogSoftmax::top(std::int32_t count) const {
  std::vector<llama_token_data> found = largest(logits_, vocabulary_, count);
  std::sort(found.begin(), found.end(), [](const llama_token_data& a, const llama_token_data& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  });
  std::vector<std::int32_t> tokens;
  for (const llama_token_data& token : found) tokens.push_back(token.id);
  return tokens;
}

std::int32_t likeliest_token(const float* logits, std::int32_t vocabulary) {
  // Maxima side by side become vector instructions; a search for the first of them costs little.
  constexpr std::int32_t kLanes = 16;
  float lanes[kLanes];
  std::fill(std::begin(lanes), std::end(lanes), -std::numeric_limits<float>::infinity());
  std::int32_t token = 0;
  for (; token + kLanes <= vocabulary; token += kLanes) {
    for (std::int32_t lane = 0; lane < kLanes; ++lane)
      lanes[lane] = std::max(lanes[lane], logits[token + lane]);
  }
  float largest_logit = *std::max_element(std::begin(lanes), std::end(lanes));
  for (; token < vocabulary; ++token) largest_logit = std::max(largest_logit, logits[token]);
  const float* found = std::find(logits, logits + vocabulary, largest_logit);
  return found == logits + vocabulary ? 0 : static_cast<std::int32_t>(found - logits);
}

Result<std::string> output_grammar(const OutputFormat& format) {
  if (format.kind == OutputKind::kText) return std::string();
  const Json schema =
      format.kind == OutputKind::kJsonObject ? Json{{"type", "object"}} : format.schema;
  if (!schema.is_object())
    return fail(ErrorCode::kInvalidArgument,
                "response_format has no JSON schema: expected an object at json_schema.schema",
                "response_format");
  try {
    return json_schema_to_grammar(common_json::parse(base::dump_json(schema)), /*force_gbnf=*/true);
  } catch (const std::exception& error) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the JSON schema in response_format cannot be followed: {}", error.what()),
        "response_format");
  }
}

void TokenSampler::Deleter::operator()(common_sampler* sampler) const {
  common_sampler_free(sampler);
}

TokenSampler::~TokenSampler() = default;

Result<std::unique_ptr<TokenSampler>> TokenSampler::create(const llama_model& model,
                                                           const Settings& settings) {
  const llama_vocab* vocab = llama_model_get_vocab(&model);
  const SamplingOptions& asked = settings.sampling;
  const EmbeddedOptions& defaults = settings.defaults;
  std::unique_ptr<TokenSampler> made(new TokenSampler);
  made->vocabulary_ = llama_vocab_n_tokens(vocab);

  common_params_sampling params;
  params.no_perf = true;
  params.temp = static_cast<float>(asked.temperature.value_or(defaults.temperature));
  params.top_p = static_cast<float>(asked.top_p.value_or(defaults.top_p));
  params.min_p = static_cast<float>(defaults.min_p);
  params.top_k = static_cast<std::int32_t>(defaults.top_k);
  params.penalty_repeat = static_cast<float>(defaults.repeat_penalty);
  params.penalty_freq = static_cast<float>(asked.frequency_penalty.value_or(0));
  params.penalty_present = static_cast<float>(asked.presence_penalty.value_or(0));
  params.seed = asked.seed ? fold_seed(*asked.seed) : LLAMA_DEFAULT_SEED;
  for (const auto& [token, bias] : asked.logit_bias) {
    if (token < 0 || token >= made->vocabulary_)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("logit_bias names token {}: this model has tokens 0 to {}", token,
                              made->vocabulary_ - 1),
                  "logit_bias");
    params.logit_bias.push_back({token, static_cast<float>(bias)});
  }
  const bool penalised =
      params.penalty_freq != 0 || params.penalty_present != 0 || params.penalty_repeat != 1;
  params.samplers.clear();
  if (penalised) params.samplers.push_back(COMMON_SAMPLER_TYPE_PENALTIES);
  for (const auto type : {COMMON_SAMPLER_TYPE_TOP_K, COMMON_SAMPLER_TYPE_TOP_P,
                          COMMON_SAMPLER_TYPE_MIN_P, COMMON_SAMPLER_TYPE_TEMPERATURE})
    params.samplers.push_back(type);

  std::string& at_fault = made->at_fault_;
  at_fault = "response_format";
  if (!settings.grammar.empty()) {
    params.grammar = {COMMON_GRAMMAR_TYPE_USER, settings.grammar};
  } else if (settings.tool_format != nullptr && !settings.tool_format->grammar.empty()) {
    const common_chat_params& format = *settings.tool_format;
    at_fault = "tools";
    params.grammar = {COMMON_GRAMMAR_TYPE_TOOL_CALLS, format.grammar};
    params.grammar_lazy = format.grammar_lazy;
    params.generation_prompt = format.generation_prompt;
    for (const common_grammar_trigger& trigger : format.grammar_triggers)
      params.grammar_triggers.push_back(trigger);
  }
  if (params.grammar.grammar.size() > kMaxGrammarBytes)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} makes a grammar of {} bytes, and this model follows at most {}: "
                            "send fewer or smaller schemas",
                            at_fault, params.grammar.grammar.size(), kMaxGrammarBytes),
                at_fault);
  if (settings.tool_format != nullptr) {
    for (const std::string& text : settings.tool_format->preserved_tokens) {
      const auto tokens = common_tokenize(vocab, text, /*add_special=*/false,
                                          /*parse_special=*/true);
      if (tokens.size() == 1) made->preserved_.push_back(tokens[0]);
    }
    // A trigger that is one token works on the token, since its text would be hidden.
    for (common_grammar_trigger& trigger : params.grammar_triggers) {
      if (trigger.type != COMMON_GRAMMAR_TRIGGER_TYPE_WORD) continue;
      const auto tokens = common_tokenize(vocab, trigger.value, /*add_special=*/false,
                                          /*parse_special=*/true);
      if (tokens.size() != 1 || !made->preserves(tokens[0])) continue;
      trigger.type = COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN;
      trigger.token = tokens[0];
    }
  }
  params.preserved_tokens.insert(made->preserved_.begin(), made->preserved_.end());

  try {
    made->sampler_.reset(common_sampler_init(&model, params));
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} cannot be followed: {}", at_fault, error.what()), at_fault);
  }
  if (!made->sampler_)
    return fail(ErrorCode::kInvalidArgument, at_fault + " cannot be followed", at_fault);

  const bool untouched = params.grammar.empty() && params.logit_bias.empty() && !penalised;
  std::int32_t suppressed = 0;
  llama_vocab_get_suppress_tokens(vocab, &suppressed);
  made->top_k_ = params.top_k;
  made->greedy_ = untouched && suppressed == 0 && params.temp == 0;
  made->from_likeliest_ = untouched && suppressed == 0 && params.top_k > 0;
  made->reproducible_ = params.temp == 0 || asked.seed.has_value();
  return made;
}

bool TokenSampler::preserves(std::int32_t token) const {
  return std::ranges::find(preserved_, token) != preserved_.end();
}

Result<std::int32_t> TokenSampler::sample(llama_context& context, std::int32_t row) {
  if (greedy_) return likeliest_token(llama_get_logits_ith(&context, row), vocabulary_);
  // llama.cpp throws when it has taken a token that the grammar forbids, because no other was left:
  // a schema can ask for what does not exist ("^[b-a]$").
  try {
    const llama_token token = from_likeliest_
                                  ? sample_among_likeliest(llama_get_logits_ith(&context, row))
                                  : common_sampler_sample(sampler_.get(), &context, row);
    common_sampler_accept(sampler_.get(), token, /*is_generated=*/true);
    return token;
  } catch (const std::exception&) {
    return fail(ErrorCode::kUnsupported,
                at_fault_ +
                    " asks for something that no text fits: nothing can follow what was "
                    "written so far",
                at_fault_);
  }
}

/// The same as sampling over the whole vocabulary, because top-k comes first in the chain; without
/// copying and sorting 49,152 candidates, which costs 5 % of SmolLM2-135M's time for a token.
std::int32_t TokenSampler::sample_among_likeliest(const float* logits) {
  std::vector<llama_token_data> candidates = largest(logits, vocabulary_, top_k_);
  std::sort(candidates.begin(), candidates.end(),
            [](const llama_token_data& a, const llama_token_data& b) {
              return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
            });
  llama_token_data_array array{candidates.data(), candidates.size(), /*selected=*/-1,
                               /*sorted=*/true};
  llama_sampler_apply(common_sampler_get(sampler_.get()), &array);
  return array.data[array.selected].id;
}

}  // namespace rapport::language
