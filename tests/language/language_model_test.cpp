#include "rapport/language/language_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <future>
#include <thread>

#include "testing/scripted_language_model.h"

namespace rapport::language {
namespace {

using rapport::testing::ScriptedLanguageModel;
using rapport::testing::ScriptedReply;

GenerateRequest hello() {
  GenerateRequest request;
  request.messages = {ChatMessage::text("user", "Hello")};
  return request;
}

TEST(ChatMessage, ReadsStringAndPartContents) {
  EXPECT_EQ(ChatMessage::text("user", "Hi").role(), "user");
  EXPECT_EQ(ChatMessage::text("user", "Hi").content(), "Hi");
  const ChatMessage parts{Json::parse(R"({"role": "user", "content": [
      {"type": "text", "text": "one"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "two"}]})")};
  EXPECT_EQ(parts.content(), "one\ntwo");
  EXPECT_EQ(ChatMessage{Json::parse(R"({"role": "assistant", "content": null})")}.content(), "");
  EXPECT_EQ(ChatMessage{Json("not an object")}.role(), "");
}

struct RefusalCase {
  const char* param;
  std::function<void(GenerateRequest&)> spoil;
};

TEST(LanguageModel, RefusesWhatNoModelCanDo) {
  const RefusalCase cases[] = {
      {"messages", [](auto& r) { r.messages.clear(); }},
      {"messages[0]", [](auto& r) { r.messages[0].json = Json::array(); }},
      {"messages[0].role", [](auto& r) { r.messages[0].json.erase("role"); }},
      {"messages[0].content", [](auto& r) { r.messages[0].json["content"] = 7; }},
      {"temperature", [](auto& r) { r.sampling.temperature = 2.1; }},
      {"temperature", [](auto& r) { r.sampling.temperature = std::nan(""); }},
      {"top_p", [](auto& r) { r.sampling.top_p = 0; }},
      {"frequency_penalty", [](auto& r) { r.sampling.frequency_penalty = -3; }},
      {"presence_penalty", [](auto& r) { r.sampling.presence_penalty = 3; }},
      {"logit_bias", [](auto& r) { r.sampling.logit_bias[5] = 101; }},
      {"stop",
       [](auto& r) {
         r.stop = {"a", "b", "c", "d", "e"};
       }},
      {"stop", [](auto& r) { r.stop = {""}; }},
      {"max_tokens", [](auto& r) { r.max_tokens = 0; }},
      {"top_logprobs", [](auto& r) { r.logprobs = true, r.top_logprobs = 21; }},
      {"top_logprobs", [](auto& r) { r.top_logprobs = 1; }},
      {"tools", [](auto& r) { r.tools = Json::object(); }},
  };
  ScriptedLanguageModel model({"never said"});
  EXPECT_TRUE(model.check(hello()));
  for (const RefusalCase& c : cases) {
    GenerateRequest request = hello();
    c.spoil(request);
    const auto checked = model.check(request);
    ASSERT_FALSE(checked) << c.param;
    EXPECT_EQ(checked.error().param, c.param) << checked.error().message;
    const auto generated = generate_and_wait(model, request);
    ASSERT_FALSE(generated) << c.param;
    EXPECT_EQ(generated.error().message, checked.error().message);
  }
  EXPECT_TRUE(model.requests().empty()) << "refused before anything is done";
}

TEST(LanguageModel, ReportsARefusalOnTheCallingThread) {
  ScriptedLanguageModel model({"never said"});
  std::thread::id told_on;
  model.generate({},
                 {.on_delta = {}, .on_done = [&](auto) { told_on = std::this_thread::get_id(); }});
  EXPECT_EQ(told_on, std::this_thread::get_id());
}

TEST(FinishReason, HasTheNamesOfTheApi) {
  EXPECT_EQ(name(FinishReason::kStop), "stop");
  EXPECT_EQ(name(FinishReason::kLength), "length");
  EXPECT_EQ(name(FinishReason::kToolCalls), "tool_calls");
  EXPECT_EQ(name(FinishReason::kContentFilter), "content_filter");
  EXPECT_EQ(name(FinishReason::kCancelled), "cancelled");
}

TEST(ScriptedLanguageModel, AnswersInTurnInPiecesThatJoinToTheText) {
  ScriptedLanguageModel model({"Hello there, Sam.", "Bye."});
  std::vector<std::string> pieces;
  const auto first =
      generate_and_wait(model, hello(), [&](const Delta& d) { pieces.push_back(d.text); });
  EXPECT_EQ(pieces, (std::vector<std::string>{"Hello", " there,", " Sam."}));
  EXPECT_EQ(first->text, "Hello there, Sam.");
  EXPECT_EQ(first->prompt, "user: Hello\n");
  EXPECT_EQ(first->usage.completion_tokens, 3);
  EXPECT_EQ(generate_and_wait(model, hello())->text, "Bye.");
  EXPECT_EQ(generate_and_wait(model, hello())->text, "Bye.") << "the last one repeats";
  EXPECT_EQ(model.requests().size(), 3u);
}

TEST(ScriptedLanguageModel, HoldsUntilReleased) {
  ScriptedLanguageModel model({"one two"});
  model.hold_after(1);
  std::promise<Result<Completion>> promise;
  auto done = promise.get_future();
  model.generate(hello(), {.on_delta = {},
                           .on_done = [&](auto result) { promise.set_value(std::move(result)); }});
  model.wait_until_held();
  EXPECT_EQ(done.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  model.release();
  EXPECT_EQ(done.get()->text, "one two");
}

TEST(ScriptedLanguageModel, StopsWhenAskedAlsoWhileHeld) {
  ScriptedLanguageModel model({"one two three"});
  model.hold_after(2);
  std::stop_source stop;
  GenerateRequest request = hello();
  request.stop_token = stop.get_token();
  std::promise<Result<Completion>> promise;
  model.generate(request, {.on_delta = {},
                           .on_done = [&](auto result) { promise.set_value(std::move(result)); }});
  model.wait_until_held();
  stop.request_stop();
  const auto done = promise.get_future().get();
  EXPECT_EQ(done->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(done->text, "one two");
}

TEST(ScriptedLanguageModel, GivesToolCallsErrorsAndRefusalsAsScripted) {
  ScriptedLanguageModel tools([](const GenerateRequest&) -> ScriptedReply {
    return {
        .tool_calls = Json::parse(
            R"([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}])")};
  });
  Json streamed;
  const auto called =
      generate_and_wait(tools, hello(), [&](const Delta& d) { streamed = d.tool_calls; });
  EXPECT_EQ(called->finish_reason, FinishReason::kToolCalls);
  EXPECT_EQ(called->tool_calls[0]["id"], "call_1");
  EXPECT_EQ(streamed[0]["index"], 0);

  ScriptedLanguageModel broken([](const GenerateRequest&) -> ScriptedReply {
    return {.text = "half", .error = Error{.code = ErrorCode::kUpstream, .message = "gone"}};
  });
  EXPECT_EQ(generate_and_wait(broken, hello()).error().code, ErrorCode::kUpstream);
  broken.refuse(Error{.code = ErrorCode::kUnsupported, .message = "no", .param = "tools"});
  EXPECT_EQ(broken.check(hello()).error().param, "tools");
}

TEST(ScriptedLanguageModel, TellsWaitingRequestsWhenItGoesAway) {
  std::vector<Result<Completion>> results;
  {
    ScriptedLanguageModel model({"one two"});
    model.hold_after(1);
    const auto keep = [&](auto result) { results.push_back(std::move(result)); };
    model.generate(hello(), {.on_delta = {}, .on_done = keep});
    model.generate(hello(), {.on_delta = {}, .on_done = keep});
    model.wait_until_held();
  }
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results[1].error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace rapport::language
