// What personalisation costs a conversation: the time to the first token of a second turn, personal
// against generic, over the embedded model, in one run. Pairs are interleaved, so that a machine
// that slows down slows both.
//
//   respond_benchmark [--json] [PAIRS]
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "figures.h"
#include "rapport/engine/respond.h"
#include "rapport/engine/users.h"
#include "rapport/language/embedded_model.h"
#include "rapport/store/home_store.h"

namespace rapport {
namespace {

using Seconds = std::chrono::duration<double>;

using bench::must;

struct Measured {
  double first_token = 0;  // seconds
  double prepared = 0;     // seconds of steps 1 to 5
  double cached = 0;       // share of the prompt that was not computed again
};

struct Bench {
  engine::Responder& responder;
  store::Store& store;
  const base::Clock& clock;

  // Two turns; what is measured is the second.
  Measured second_turn(const std::string& user, bool personal) {
    std::vector<language::ChatMessage> messages = {
        language::ChatMessage::text("user",
                                    "I am planning dinner for six people on Friday and they all "
                                    "arrive at different times. What "
                                    "would you suggest that I cook?")};
    ask(user, personal, messages);
    messages.push_back(language::ChatMessage::text("user", "And for dessert?"));
    return ask(user, personal, messages);
  }

  Measured ask(const std::string& user, bool personal,
               std::vector<language::ChatMessage>& messages) {
    engine::ChatRequest request;
    request.caller.body_user = user;
    if (!personal) request.degree = profile::Degree::kGeneric;
    request.generate.messages = messages;
    request.generate.max_tokens = 24;
    request.generate.sampling.temperature = 0;
    std::optional<std::chrono::steady_clock::time_point> first;
    const auto began = clock.steady();
    const engine::Answer answer = must(respond_and_wait(
        responder, std::move(request), [&](std::int64_t, const language::Delta& delta) {
          if (!first && !delta.text.empty()) first = clock.steady();
        }));
    messages.push_back(language::ChatMessage::text("assistant", answer.choices[0].text));
    Measured measured;
    measured.first_token = Seconds(first.value_or(clock.steady()) - began).count();
    const store::TraceRecord trace = must(store.trace(answer.id));
    for (const Json& step : trace.data["steps"]) {
      if (step["step"] == "generate") break;
      measured.prepared += step["milliseconds"].get<double>() / 1e3;
    }
    measured.cached = static_cast<double>(answer.usage.cached_tokens) /
                      static_cast<double>(std::max<std::int64_t>(1, answer.usage.prompt_tokens));
    return measured;
  }
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

int run(bool json, int pairs) {
  std::string pattern = (std::filesystem::temp_directory_path() / "rapport-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const std::filesystem::path home = pattern;
  std::vector<double> generic, personal, ratio, prepared, generic_cached, personal_cached;
  {
    base::SystemClock clock;
    base::SystemRandom random;
    const auto opened = must(store::HomeStore::open(home, {}, clock, random));
    const store::KeyRing& keys = opened.keys;
    const auto& store = opened.store;
    language::EmbeddedOptions options;
    options.path = std::string(RAPPORT_BENCH_MODELS) + "/smollm2-135m-instruct-q8_0.gguf";
    const auto model = must(language::EmbeddedModel::load(options));
    engine::Responder responder({}, *store, keys, *model, clock, random);
    engine::Users users(*store, keys, clock, random);
    Bench bench{responder, *store, clock};
    for (int pair = -1; pair < pairs; ++pair) {
      const std::string user = fmt::format("user{}", pair);
      must(users.patch_settings("default", user, {{"name", "Sam"}, {"length", "brief"}}));
      for (const char* fact :
           {"I'm vegetarian", "I live in Oslo", "I hate olives", "I have two kids"}) {
        must(users.add_fact("default", user, fact, ""));
      }
      // Who goes first alternates: the second of a pair finds warmer caches.
      Measured one, other;
      if (pair % 2 == 0) one = bench.second_turn(user + "g", false);
      other = bench.second_turn(user, true);
      if (pair % 2 != 0) one = bench.second_turn(user + "g", false);
      if (pair < 0) continue;  // warm-up
      generic.push_back(one.first_token);
      personal.push_back(other.first_token);
      ratio.push_back(other.first_token / one.first_token);
      prepared.push_back(other.prepared);
      generic_cached.push_back(one.cached);
      personal_cached.push_back(other.cached);
    }
  }
  std::filesystem::remove_all(home);

  std::vector<double> sorted = ratio;
  std::sort(sorted.begin(), sorted.end());
  const double low = sorted[sorted.size() / 4], high = sorted[sorted.size() * 3 / 4];
  bench::Figures figures;
  figures.add("second turn, generic: first token", median(generic) * 1e3, "ms");
  figures.add("second turn, personal: first token", median(personal) * 1e3, "ms");
  figures.add("personal / generic (bar: at most 1.2)", median(ratio), "median ratio of pairs");
  figures.add("its lower quartile", low, "ratio");
  figures.add("its upper quartile", high, "ratio");
  figures.add("of it, steps identify to compose", median(prepared) * 1e3, "ms");
  figures.add("prompt tokens not computed again, generic", median(generic_cached), "share");
  figures.add("prompt tokens not computed again, personal", median(personal_cached), "share");
  figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  bool json = false;
  int pairs = 15;
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--json") {
      json = true;
    } else {
      pairs = std::max(1, std::atoi(argv[i]));
    }
  }
  return rapport::run(json, pairs);
}
