// Answers that must be JSON, and answers that call tools.
#include <gtest/gtest.h>

#include "rapport/language/embedded_model.h"
#include "shared_model.h"

namespace rapport::language {
namespace {

TEST(EmbeddedJson, AnObjectOfASchemaHasItsFieldsAndNoOthers) {
  GenerateRequest request = greedy("Describe a person as JSON.", 80);
  request.output.kind = OutputKind::kJsonSchema;
  request.output.schema = Json::parse(R"({
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12},
                   "age": {"type": "integer"},
                   "mood": {"enum": ["glad", "sad"]},
                   "tags": {"type": "array", "items": {"type": "string", "maxLength": 6}, "minItems": 2, "maxItems": 2}},
    "required": ["name", "age", "mood", "tags"], "additionalProperties": false})");
  for (const double temperature : {0.0, 1.5}) {
    request.sampling.temperature = temperature;
    request.sampling.seed = 4;
    const auto done = generate_and_wait(shared_model(), request);
    ASSERT_TRUE(done);
    ASSERT_EQ(done->finish_reason, FinishReason::kStop) << done->text;
    const auto object = base::parse_json(done->text, "answer");
    ASSERT_TRUE(object) << done->text;
    ASSERT_EQ(object->size(), 4u) << done->text;
    EXPECT_TRUE(object->at("name").is_string());
    EXPECT_TRUE(object->at("age").is_number_integer());
    EXPECT_TRUE(object->at("mood") == "glad" || object->at("mood") == "sad");
    EXPECT_EQ(object->at("tags").size(), 2u);
  }
}

TEST(EmbeddedJson, JsonObjectModeGivesSomeObject) {
  GenerateRequest request = greedy("Give me the three primary colours as JSON.", 60);
  request.output.kind = OutputKind::kJsonObject;
  const auto done = generate_and_wait(shared_model(), request);
  EXPECT_TRUE(done->text.starts_with("{")) << done->text;
  EXPECT_TRUE(done->finish_reason == FinishReason::kLength ||
              base::parse_json(done->text, "answer"));
}

TEST(EmbeddedJson, ASchemaThatWouldKeepTheModelBusyForEverIsRefused) {
  GenerateRequest request = greedy("aaaaaaaa", 8);
  request.output.kind = OutputKind::kJsonSchema;
  Json words = Json::array();
  for (int i = 0; i < 20'000; ++i) words.push_back("word " + std::to_string(i));
  for (const Json& schema :
       {Json{{"type", "string"}, {"pattern", "^(a?){500}$"}}, Json{{"enum", std::move(words)}}}) {
    request.output.schema = schema;
    const auto refused = generate_and_wait(shared_model(), request);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(refused.error().param, "response_format");
  }
}

TEST(EmbeddedJson, ASchemaThatNothingFitsFailsItsOwnAnswerOnly) {
  GenerateRequest request = greedy("Say something.", 8);
  request.output.kind = OutputKind::kJsonSchema;
  request.output.schema = {{"type", "string"}, {"pattern", "^[b-a]$"}};
  const auto failed = generate_and_wait(shared_model(), request);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(failed.error().param, "response_format");
  EXPECT_TRUE(generate_and_wait(shared_model(), greedy("Say something.", 4)));
}

class EmbeddedTools : public ::testing::Test {
 protected:
  GenerateRequest request = [] {
    GenerateRequest made = greedy("What is the weather in Paris?", 60);
    made.tools = Json::parse(R"([{"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a city now",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])");
    return made;
  }();
};

TEST_F(EmbeddedTools, ARequiredCallComesWholeAndInDeltas) {
  request.tool_choice = "required";
  const Streamed streamed = stream(shared_model(), request);
  ASSERT_TRUE(streamed.done) << streamed.done.error().message;
  ASSERT_EQ(streamed.done->finish_reason, FinishReason::kToolCalls)
      << streamed.done->text << streamed.done->tool_calls;
  ASSERT_EQ(streamed.done->tool_calls.size(), 1u);
  const Json call = streamed.done->tool_calls[0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_EQ(call["function"]["name"], "get_weather");
  const auto arguments =
      base::parse_json(call["function"]["arguments"].get<std::string>(), "arguments");
  ASSERT_TRUE(arguments) << call.dump();
  EXPECT_TRUE(arguments->at("city").is_string());
  EXPECT_EQ(streamed.done->text, "");

  std::string name, id, joined;
  for (const Delta& delta : streamed.deltas) {
    for (const Json& part : delta.tool_calls) {
      EXPECT_EQ(part["index"], 0);
      if (part.contains("id")) id = part["id"];
      if (part["function"].contains("name")) name = part["function"]["name"];
      joined += part["function"]["arguments"].get<std::string>();
    }
  }
  EXPECT_GT(streamed.deltas.size(), 2u) << "arguments stream";
  EXPECT_EQ(name, "get_weather");
  EXPECT_EQ(id, call["id"]);
  EXPECT_EQ(joined, call["function"]["arguments"]);
}

TEST_F(EmbeddedTools, TheIdOfACallIsTheSameForTheSameRequestOnly) {
  request.tool_choice = "required";
  const auto id = [&] {
    return generate_and_wait(shared_model(), request)->tool_calls[0]["id"].get<std::string>();
  };
  const std::string first = id();
  EXPECT_TRUE(first.starts_with("call_"));
  EXPECT_EQ(id(), first);
  request.messages[0] = ChatMessage::text("user", "And in Rome?");
  EXPECT_NE(id(), first);
}

TEST_F(EmbeddedTools, ACallThatMayComeLeavesTextAlone) {
  request.messages = {ChatMessage::text("user", "Say hello.")};
  request.tool_choice = "auto";
  request.max_tokens = 12;
  const Streamed streamed = stream(shared_model(), request);
  ASSERT_TRUE(streamed.done);
  EXPECT_TRUE(!streamed.done->tool_calls.is_null() || !streamed.done->text.empty());
  EXPECT_EQ(streamed.text(), streamed.done->text);
}

TEST_F(EmbeddedTools, AResultIsReadAndAnswered) {
  request.tool_choice = "none";
  request.max_tokens = 24;
  request.messages.push_back(
      {Json::parse(R"({"role": "assistant", "content": null, "tool_calls": [{"id": "c1",
      "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}]})")});
  request.messages.push_back(
      {Json::parse(R"({"role": "tool", "tool_call_id": "c1", "content": "17 degrees, raining"})")});
  const auto done = generate_and_wait(shared_model(), request);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_NE(done->prompt.find("17 degrees, raining"), std::string::npos);
  EXPECT_NE(done->text, "");
}

}  // namespace
}  // namespace rapport::language
