// What the model remembers between requests, and that it does not show.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <tuple>

#include "rapport/language/embedded_model.h"
#include "shared_model.h"

namespace rapport::language {
namespace {

/// A system message of some 150 tokens that no other test uses.
std::string long_system(const std::string& about) {
  std::string text = "You know all about " + about + ".";
  for (int i = 0; i < 20; ++i) text += " Rule " + std::to_string(i) + " is: be kind and precise.";
  return text;
}

GenerateRequest chat(std::vector<ChatMessage> messages, double temperature) {
  GenerateRequest request;
  request.messages = std::move(messages);
  request.sampling.temperature = temperature;
  request.max_tokens = 6;
  return request;
}

TEST(EmbeddedCache, TheSecondTurnReadsOnlyWhatIsNew) {
  std::vector<ChatMessage> messages = {ChatMessage::text("system", long_system("otters")),
                                       ChatMessage::text("user", "What do they eat?")};
  const auto first = generate_and_wait(shared_model(), chat(messages, 0.7));
  ASSERT_TRUE(first);
  messages.push_back(ChatMessage::text("assistant", first->text));
  messages.push_back(ChatMessage::text("user", "And when?"));
  const auto second = generate_and_wait(shared_model(), chat(messages, 0.7));
  EXPECT_GE(second->usage.cached_tokens, first->usage.prompt_tokens)
      << "all of the first turn's prompt";
  EXPECT_LT(second->usage.cached_tokens, second->usage.prompt_tokens);
}

TEST(EmbeddedCache, AnotherConversationSharesTheBeginning) {
  const std::string system = long_system("beavers");
  const auto ask = [&](const std::string& question) {
    return generate_and_wait(
        shared_model(),
        chat({ChatMessage::text("system", system), ChatMessage::text("user", question)}, 0.7));
  };
  const auto first = ask("What do they build? Tell me how they do it, where, and with what.");
  const auto other = ask("How long do they live?");
  const std::int64_t shared =
      shared_model().count_tokens({ChatMessage::text("system", system)}).value() - 4;
  EXPECT_GE(other->usage.cached_tokens, shared);
  const auto again = ask("What do they build? Tell me how they do it, where, and with what.");
  EXPECT_GE(again->usage.cached_tokens, first->usage.prompt_tokens - 1)
      << "the first conversation kept its own";
}

// Somebody was erased: nothing of what they said is there for a later request.
TEST(EmbeddedCache, IsEmptyOnceItShallForget) {
  const auto ask = [&] {
    return generate_and_wait(shared_model(),
                             chat({ChatMessage::text("system", long_system("martens")),
                                   ChatMessage::text("user", "Where do they sleep?")},
                                  0.7));
  };
  ASSERT_TRUE(ask());
  EXPECT_GT(ask()->usage.cached_tokens, 0);
  shared_model().forget();
  EXPECT_EQ(ask()->usage.cached_tokens, 0);

  const ChoiceRequest choice{.messages = {ChatMessage::text("user", "Sea or forest?")},
                             .prompt = {},
                             .choices = {"The sea, of course", "The forest"},
                             .stop_token = {}};
  const auto before = shared_model().score_choices(choice);
  ASSERT_TRUE(before) << before.error().message;
  shared_model().forget();
  EXPECT_EQ(shared_model().score_choices(choice)->logprobs, before->logprobs);
}

// The law that makes an answer reproducible: the same request gives the same numbers, to the last
// bit, whatever is in the cache.
TEST(EmbeddedCache, AReproducibleAnswerDoesNotShowWhatWasCached) {
  const std::vector<ChatMessage> messages = {ChatMessage::text("system", long_system("herons")),
                                             ChatMessage::text("user", "Where do they nest?")};
  const auto numbers = [&] {
    GenerateRequest request = chat(messages, 0);
    request.logprobs = true;
    const auto done = generate_and_wait(shared_model(), request);
    std::vector<float> logprobs;
    for (const TokenLogprob& token : done->logprobs) logprobs.push_back(token.logprob);
    return std::tuple(done->text, logprobs, done->usage.cached_tokens);
  };
  const auto cold = numbers();
  const auto warm = numbers();
  // Another request leaves this prompt's beginning in the cache, computed in another way.
  generate_and_wait(shared_model(), chat({messages[0], ChatMessage::text("user", "Where?")}, 0.7));
  generate_and_wait(shared_model(),
                    chat({messages[0], ChatMessage::text("user", "Where do they")}, 0.7));
  const auto after_others = numbers();
  EXPECT_GT(std::get<2>(warm), 0);
  EXPECT_EQ(std::get<0>(warm), std::get<0>(cold));
  EXPECT_EQ(std::get<1>(warm), std::get<1>(cold));
  EXPECT_EQ(std::get<1>(after_others), std::get<1>(cold));
}

TEST(EmbeddedCache, ItsMemoryIsBounded) {
  EmbeddedOptions options = small_options();
  options.cache_mib = 40;  // 768 tokens of 23 KB are 17 MiB
  options.max_queued = 8;
  const auto model = EmbeddedModel::load(options);
  ASSERT_TRUE(model) << model.error().message;
  // Two run side by side, the third waits, and all are answered.
  std::vector<std::jthread> asking;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 3; ++i)
    asking.emplace_back(
        [&] { answered += generate_and_wait(**model, greedy("Hi", 2)).has_value(); });
  asking.clear();
  EXPECT_EQ(answered, 3);
}

}  // namespace
}  // namespace rapport::language
