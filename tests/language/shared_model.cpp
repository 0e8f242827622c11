#include "shared_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

namespace rapport::language {
namespace {

std::unique_ptr<EmbeddedModel> shared;

/// Ends the model before static objects of llama.cpp go.
class EndSharedModel : public ::testing::Environment {
  void TearDown() override { shared.reset(); }
};
[[maybe_unused]] const auto* const registered =
    ::testing::AddGlobalTestEnvironment(new EndSharedModel);

}  // namespace

std::string test_model_path(const std::string& file) {
  const char* folder = std::getenv("RAPPORT_TEST_MODELS");
  return std::string(folder != nullptr ? folder : "build/deps/models") + "/" + file;
}

std::string smollm2_path() {
  return test_model_path("smollm2-135m-instruct-q8_0.gguf");
}

EmbeddedOptions small_options() {
  EmbeddedOptions options;
  options.path = smollm2_path();
  options.context_tokens = kSharedContext;
  options.parallel = kSharedParallel;
  return options;
}

EmbeddedModel& shared_model() {
  if (!shared) {
    auto loaded = EmbeddedModel::load(small_options());
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message << " (RAPPORT_TEST_MODELS names the folder)";
      std::abort();
    }
    shared = *std::move(loaded);
  }
  return *shared;
}

GenerateRequest greedy(const std::string& user_message, std::int32_t max_tokens) {
  GenerateRequest request;
  request.messages = {ChatMessage::text("user", user_message)};
  request.sampling.temperature = 0;
  request.max_tokens = max_tokens;
  return request;
}

std::string Streamed::text() const {
  std::string text;
  for (const Delta& delta : deltas) text += delta.text;
  return text;
}

Streamed stream(EmbeddedModel& model, GenerateRequest request) {
  std::vector<Delta> deltas;
  auto done = generate_and_wait(model, std::move(request),
                                [&](const Delta& delta) { deltas.push_back(delta); });
  return {std::move(done), std::move(deltas)};
}

}  // namespace rapport::language
