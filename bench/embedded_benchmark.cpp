// What the embedded model costs over llama.cpp itself, and what several chats at once gain.
//
//   embedded_benchmark [--json] [ROUNDS]
//
// Every figure that compares two ways comes from rounds that do one after the other (A B B A …), so
// that other load on the machine meets both alike; the median of the rounds' ratios is given.
// Prompts begin with another number each time: nothing is in the cache.
#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "figures.h"
#include "rapport/base/log.h"
#include "rapport/language/embedded_model.h"
#include "rapport/language/llama_runtime.h"

namespace rapport::language {
namespace {

using bench::Figures;
using bench::must;

constexpr std::int32_t kAnswerTokens = 128;
constexpr std::size_t kChats = 8;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// A chat of some 60 prompt tokens whose answer does not end by itself before 128.
GenerateRequest chat(int number) {
  const char* topics[] = {"a fox",     "the sea",  "an old clock", "a lost letter",
                          "two trees", "a bridge", "the moon",     "a small town"};
  GenerateRequest request;
  request.messages = {
      ChatMessage::text(
          "system", fmt::format("{} is the number of this chat. You write long stories.", number)),
      ChatMessage::text("user",
                        fmt::format("Write a long story of at least ten sentences about {}. "
                                    "Describe the place, the people and the weather.",
                                    topics[static_cast<std::size_t>(number) % 8]))};
  request.sampling.temperature = 0;
  request.max_tokens = kAnswerTokens;
  return request;
}

struct Timed {
  double seconds = 0;         // whole chat
  double decode_seconds = 0;  // from the first token on
  std::int64_t tokens = 0;    // of the answer
  std::string prompt;
};

Timed timed_chat(EmbeddedModel& model, GenerateRequest request) {
  Timed timed;
  const auto start = Clock::now();
  std::optional<Clock::time_point> first;
  const Completion done = must(generate_and_wait(model, std::move(request), [&](const Delta&) {
    if (!first) first = Clock::now();
  }));
  timed.seconds = seconds_since(start);
  timed.decode_seconds = seconds_since(first.value_or(start));
  timed.tokens = done.usage.completion_tokens;
  timed.prompt = done.prompt;
  return timed;
}

/// The loop that every introduction to llama.cpp shows: decode the prompt, then take the likeliest
/// token and decode it, on a context of its own with llama.cpp's defaults and lasting threads.
class BareLoop {
 public:
  BareLoop(const std::string& path, std::int32_t threads) {
    model_ = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 4096;
    params.n_threads = threads;
    params.n_threads_batch = threads;
    params.no_perf = true;
    context_ = llama_init_from_model(model_, params);
    if (context_ == nullptr) std::exit(1);
    ggml_backend_reg_t cpu =
        ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    const auto make = reinterpret_cast<decltype(&ggml_threadpool_new)>(
        ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_new"));
    ggml_threadpool_params pool = ggml_threadpool_params_default(threads);
    pool.poll = 1;
    if (make != nullptr) llama_attach_threadpool(context_, make(&pool), nullptr);
    sampler_ = llama_sampler_chain_init({.no_perf = true});
    llama_sampler_chain_add(sampler_, llama_sampler_init_greedy());
  }

  Timed run(const std::string& prompt, std::int64_t answer_tokens) {
    llama_memory_clear(llama_get_memory(context_), false);
    const auto start = Clock::now();
    const llama_vocab* vocab = llama_model_get_vocab(model_);
    std::vector<llama_token> tokens(prompt.size() + 8);
    tokens.resize(static_cast<std::size_t>(
        llama_tokenize(vocab, prompt.data(), static_cast<std::int32_t>(prompt.size()),
                       tokens.data(), static_cast<std::int32_t>(tokens.size()), true, true)));
    llama_decode(context_,
                 llama_batch_get_one(tokens.data(), static_cast<std::int32_t>(tokens.size())));
    std::string text;
    Timed timed;
    llama_token token = llama_sampler_sample(sampler_, context_, -1);
    const auto first = Clock::now();
    while (timed.tokens < answer_tokens) {
      char piece[128];
      const std::int32_t size = llama_token_to_piece(vocab, token, piece, sizeof piece, 0, false);
      text.append(piece, static_cast<std::size_t>(std::max(0, size)));
      if (++timed.tokens == answer_tokens) break;
      llama_decode(context_, llama_batch_get_one(&token, 1));
      token = llama_sampler_sample(sampler_, context_, -1);
    }
    timed.seconds = seconds_since(start);
    timed.decode_seconds = seconds_since(first);
    return timed;
  }

 private:
  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_sampler* sampler_ = nullptr;
};

/// One chat, through the model and through the bare loop.
void one_chat(EmbeddedModel& model, BareLoop& bare, int rounds, Figures& figures) {
  std::vector<double> whole, decode, model_speed, bare_speed;
  for (int round = -1; round < rounds; ++round) {
    const int number = 1000 + round;
    Timed ours, theirs;
    if (round % 2 == 0) {
      ours = timed_chat(model, chat(number));
      theirs = bare.run(ours.prompt, ours.tokens);
    } else {
      const std::string prompt = timed_chat(model, chat(number + 5000)).prompt;
      theirs = bare.run(prompt, kAnswerTokens);
      ours = timed_chat(model, chat(number));
    }
    if (round < 0) continue;  // warm-up
    const auto per_second = [](const Timed& timed, double seconds) {
      return static_cast<double>(timed.tokens) / seconds;
    };
    whole.push_back(per_second(ours, ours.seconds) / per_second(theirs, theirs.seconds));
    decode.push_back(per_second(ours, ours.decode_seconds) /
                     per_second(theirs, theirs.decode_seconds));
    model_speed.push_back(per_second(ours, ours.decode_seconds));
    bare_speed.push_back(per_second(theirs, theirs.decode_seconds));
  }
  figures.add("one chat / bare llama.cpp loop (bar: at least 0.9)", median(whole),
              "ratio of answer tokens/s, prompt included");
  figures.add("the same after the first token", median(decode), "ratio of tokens/s");
  figures.add("one chat, after the first token", median(model_speed), "tokens/s");
  figures.add("bare loop, after the first token", median(bare_speed), "tokens/s");
}

double one_after_the_other(EmbeddedModel& model, int first, std::int64_t& tokens) {
  const auto start = Clock::now();
  for (std::size_t i = 0; i < kChats; ++i)
    tokens += timed_chat(model, chat(first + static_cast<int>(i))).tokens;
  return seconds_since(start);
}

double all_at_once(EmbeddedModel& model, int first, std::int64_t& tokens) {
  const auto start = Clock::now();
  std::vector<std::promise<Result<Completion>>> done(kChats);
  for (std::size_t i = 0; i < kChats; ++i) {
    model.generate(chat(first + static_cast<int>(i)),
                   {.on_delta = {}, .on_done = [&done, i](Result<Completion> result) {
                      done[i].set_value(std::move(result));
                    }});
  }
  for (auto& one : done) tokens += must(one.get_future().get()).usage.completion_tokens;
  return seconds_since(start);
}

/// Eight chats, one after the other and at once.
void eight_chats(EmbeddedModel& model, int rounds, Figures& figures) {
  std::vector<double> ratio, together_speed;
  int number = 20'000;
  for (int round = 0; round < rounds; ++round) {
    std::int64_t serial_tokens = 0, together_tokens = 0;
    double serial = 0, together = 0;
    const auto do_serial = [&] { serial = one_after_the_other(model, number += 8, serial_tokens); };
    const auto do_together = [&] { together = all_at_once(model, number += 8, together_tokens); };
    if (round % 2 == 0) do_serial();
    do_together();
    if (round % 2 != 0) do_serial();
    const double speed = static_cast<double>(together_tokens) / together;
    together_speed.push_back(speed);
    ratio.push_back(speed / (static_cast<double>(serial_tokens) / serial));
  }
  figures.add("eight chats at once / one after the other (bar: at least 2)", median(ratio),
              "ratio of answer tokens/s, prompts included");
  figures.add("eight chats at once", median(together_speed), "answer tokens/s");
}

/// A prompt of 512 tokens and more, and one token of answer.
void long_prompt(EmbeddedModel& model, int rounds, Figures& figures) {
  std::vector<double> speed, cached_ms;
  for (int round = 0; round < rounds; ++round) {
    std::string text = fmt::format("{} words to remember:", round + 40'000);
    for (int i = 0; i < 160; ++i) text += fmt::format(" {} {}", i % 2 == 0 ? "tree" : "river", i);
    GenerateRequest request;
    request.messages = {ChatMessage::text("user", text)};
    request.max_tokens = 1;
    const auto start = Clock::now();
    const Completion done = must(generate_and_wait(model, request));
    speed.push_back(static_cast<double>(done.usage.prompt_tokens - done.usage.cached_tokens) /
                    seconds_since(start));
    const auto again = Clock::now();
    must(generate_and_wait(model, request));
    cached_ms.push_back(1e3 * seconds_since(again));
  }
  figures.add("prompt of 600 tokens", median(speed), "tokens/s");
  figures.add("first token of the same prompt again", median(cached_ms), "ms");
}

int run(bool json, int rounds) {
  base::set_up_logging(base::LogLevel::kError, base::LogFormat::kHuman);
  EmbeddedOptions options;
  options.path = std::string(RAPPORT_BENCH_MODELS) + "/smollm2-135m-instruct-q8_0.gguf";
  options.threads = std::max(1u, std::thread::hardware_concurrency());
  const std::unique_ptr<EmbeddedModel> model = must(EmbeddedModel::load(options));
  BareLoop bare(options.path, static_cast<std::int32_t>(options.threads));

  Figures figures;
  one_chat(*model, bare, rounds, figures);
  eight_chats(*model, rounds, figures);
  long_prompt(*model, rounds, figures);
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport::language

int main(int argc, char** argv) {
  bool json = false;
  int rounds = 7;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json") {
      json = true;
    } else {
      rounds = std::max(1, std::atoi(argv[i]));
    }
  }
  return rapport::language::run(json, rounds);
}
