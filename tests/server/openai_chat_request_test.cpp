#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/server/json_fields.h"
#include "rapport/server/openai_chat.h"

namespace rapport::server {
namespace {

using ::testing::HasSubstr;

/// A minimal body with `members` added to it.
Json body_with(const std::string& members) {
  Json body = {{"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
  body.update(Json::parse(members));
  return body;
}

Result<ChatCall> parse(const std::string& members,
                       std::map<std::string, std::string> headers = {}) {
  return parse_chat_call(body_with(members), headers);
}

struct Refusal {
  const char* members;
  const char* param;
};

TEST(ParseChatCall, NamesTheParameterThatIsWrong) {
  const Refusal cases[] = {
      {R"({"messages": null})", "messages"},
      {R"({"messages": "Hi"})", "messages"},
      {R"({"messages": []})", "messages"},
      {R"({"messages": ["Hi"]})", "messages[0]"},
      {R"({"messages": [{"content": "Hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "robot", "content": "Hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": 7, "content": "Hi"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": null}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": 7}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": []}]})", "messages[0].content"},
      {R"({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": ["b"]}]})",
       "messages[1].content[0]"},
      {R"({"messages": [{"role": "user", "content": [{"text": "b"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "smell"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text"}]}]})",
       "messages[0].content[0].text"},
      {R"({"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]})",
       "messages[0].content[0].text"},
      {R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]})",
       "messages[0].content[0].image_url.url"},
      {R"({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}]})",
       "messages[0].content[0].type"},
      {R"({"messages": [{"role": "tool", "content": "x"}]})", "messages[0].tool_call_id"},
      {R"({"messages": [{"role": "function", "content": "x"}]})", "messages[0].name"},
      {R"({"messages": [{"role": "user", "content": "x", "name": 7}]})", "messages[0].name"},
      {R"({"messages": [{"role": "user", "content": "x", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]}]})",
       "messages[0].tool_calls"},
      {R"({"messages": [{"role": "assistant", "tool_calls": []}]})", "messages[0].tool_calls"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"type": "function"}]}]})",
       "messages[0].tool_calls[0].id"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function"}]}]})",
       "messages[0].tool_calls[0].function"},
      {R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}]})",
       "messages[0].tool_calls[0].function.arguments"},
      {R"({"model": 7})", "model"},
      {R"({"temperature": 2.1})", "temperature"},
      {R"({"temperature": "hot"})", "temperature"},
      {R"({"top_p": 0})", "top_p"},
      {R"({"top_p": 1.5})", "top_p"},
      {R"({"frequency_penalty": -3})", "frequency_penalty"},
      {R"({"presence_penalty": 3})", "presence_penalty"},
      {R"({"seed": 1.5})", "seed"},
      {R"({"seed": 18446744073709551615})", "seed"},
      {R"({"logit_bias": []})", "logit_bias"},
      {R"({"logit_bias": {"one": 1}})", "logit_bias"},
      {R"({"logit_bias": {"1": 101}})", "logit_bias.1"},
      {R"({"n": 0})", "n"},
      {R"({"n": 129})", "n"},
      {R"({"n": "2"})", "n"},
      {R"({"max_tokens": 0})", "max_tokens"},
      {R"({"max_tokens": 1e30})", "max_tokens"},
      {R"({"max_completion_tokens": -1})", "max_completion_tokens"},
      {R"({"max_tokens": 1, "max_completion_tokens": 2})", "max_tokens"},
      {R"({"stop": 7})", "stop"},
      {R"({"stop": ""})", "stop"},
      {R"({"stop": ["a", 7]})", "stop[1]"},
      {R"({"stop": ["1", "2", "3", "4", "5"]})", "stop"},
      {R"({"logprobs": "yes"})", "logprobs"},
      {R"({"top_logprobs": 5})", "top_logprobs"},
      {R"({"logprobs": true, "top_logprobs": 21})", "top_logprobs"},
      {R"({"response_format": "json"})", "response_format"},
      {R"({"response_format": {}})", "response_format.type"},
      {R"({"response_format": {"type": "xml"}})", "response_format.type"},
      {R"({"response_format": {"type": "json_schema"}})", "response_format.json_schema"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {}}})",
       "response_format.json_schema.name"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 7}}})",
       "response_format.json_schema.schema"},
      {R"({"tools": {}})", "tools"},
      {R"({"tools": []})", "tools"},
      {R"({"tools": [7]})", "tools[0]"},
      {R"({"tools": [{"type": "function"}]})", "tools[0].function"},
      {R"({"tools": [{"type": "function", "function": {}}]})", "tools[0].function.name"},
      {R"({"tools": [{"type": "function", "function": {"name": "f", "parameters": 7}}]})",
       "tools[0].function.parameters"},
      {R"({"tool_choice": "auto"})", "tool_choice"},
      {R"({"tool_choice": "maybe", "tools": [{"type": "function", "function": {"name": "f"}}]})",
       "tool_choice"},
      {R"({"stream": 1})", "stream"},
      {R"({"stream_options": {"include_usage": true}})", "stream_options"},
      {R"({"stream": true, "stream_options": {"include_usage": 1}})",
       "stream_options.include_usage"},
      {R"({"stream": true, "stream_options": {"include": true}})", "stream_options.include"},
      {R"({"user": 7})", "user"},
      {R"({"metadata": []})", "metadata"},
      {R"({"metadata": {"a": 7}})", "metadata.a"},
      {R"({"safety_identifier": []})", "safety_identifier"},
      {R"({"previous_response_id": 7})", "previous_response_id"},
  };
  for (const Refusal& c : cases) {
    const auto call = parse(c.members);
    ASSERT_FALSE(call) << c.members;
    EXPECT_EQ(call.error().code, ErrorCode::kInvalidArgument) << c.members;
    EXPECT_EQ(call.error().param, c.param) << call.error().message;
    EXPECT_THAT(call.error().message, HasSubstr(std::string(c.param).substr(0, 4))) << c.members;
  }
}

TEST(ParseChatCall, BoundsMetadataAsOpenAiDoes) {
  Json body = body_with("{}");
  for (int i = 0; i < 17; ++i) body["metadata"]["k" + std::to_string(i)] = "v";
  EXPECT_EQ(parse_chat_call(body, {}).error().param, "metadata");
  body["metadata"] = {{std::string(65, 'k'), "v"}};
  EXPECT_EQ(parse_chat_call(body, {}).error().param, "metadata");
  body["metadata"] = {{"k", std::string(513, 'v')}};
  EXPECT_EQ(parse_chat_call(body, {}).error().param, "metadata.k");
}

TEST(ParseChatCall, ReadsEveryParameter) {
  const auto call = parse(R"({
    "model": "smol", "temperature": 0, "top_p": 0.5, "frequency_penalty": 1, "presence_penalty": -1,
    "seed": -7, "logit_bias": {"50256": -100, "7": 1.5}, "n": 2, "max_completion_tokens": 20,
    "stop": ["\n", "END"], "logprobs": true, "top_logprobs": 3,
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "required",
    "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
    "user": "sam", "safety_identifier": "s", "previous_response_id": "chatcmpl-1",
    "metadata": {"user_id": "m", "conversation_id": "c", "domain": "cooking"}})");
  ASSERT_TRUE(call) << call.error().message;
  const auto& generate = call->request.generate;
  EXPECT_EQ(generate.model, "smol");
  EXPECT_EQ(generate.messages.at(0).content(), "Hi");
  EXPECT_EQ(generate.sampling.temperature, 0);
  EXPECT_EQ(generate.sampling.top_p, 0.5);
  EXPECT_EQ(generate.sampling.frequency_penalty, 1);
  EXPECT_EQ(generate.sampling.presence_penalty, -1);
  EXPECT_EQ(generate.sampling.seed, -7);
  EXPECT_EQ(generate.sampling.logit_bias,
            (std::map<std::int32_t, double>{{50256, -100}, {7, 1.5}}));
  EXPECT_EQ(call->request.n, 2);
  EXPECT_EQ(generate.max_tokens, 20);
  EXPECT_EQ(generate.stop, (std::vector<std::string>{"\n", "END"}));
  EXPECT_TRUE(generate.logprobs);
  EXPECT_EQ(generate.top_logprobs, 3);
  EXPECT_EQ(generate.output.kind, language::OutputKind::kJsonSchema);
  EXPECT_EQ(generate.output.schema, Json::parse(R"({"type": "object"})"));
  EXPECT_EQ(generate.output.raw["json_schema"]["name"], "a");
  EXPECT_EQ(generate.tools.size(), 1u);
  EXPECT_EQ(generate.tool_choice, "required");
  EXPECT_TRUE(call->stream);
  EXPECT_TRUE(call->include_usage);
  EXPECT_EQ(call->request.caller.body_user, "sam");
  EXPECT_EQ(call->request.caller.metadata_user, "m");
  EXPECT_EQ(call->request.caller.safety_identifier, "s");
  EXPECT_EQ(call->request.conversation, "c");
  EXPECT_EQ(call->request.domain, "cooking");
  EXPECT_EQ(call->request.previous_response_id, "chatcmpl-1");
  EXPECT_TRUE(generate.passthrough.empty()) << generate.passthrough;
}

TEST(ParseChatCall, LeavesUnnamedParametersToTheModel) {
  const auto call = parse(R"({"temperature": null, "stop": null, "n": null, "tools": null,
                              "response_format": null, "stream": null, "metadata": null})");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_FALSE(call->request.generate.sampling.temperature);
  EXPECT_FALSE(call->request.generate.max_tokens);
  EXPECT_EQ(call->request.n, 1);
  EXPECT_FALSE(call->stream);
  EXPECT_TRUE(call->request.generate.passthrough.empty());
}

TEST(ParseChatCall, PassesUnknownParametersOnAsTheyCame) {
  const auto call = parse(
      R"({"reasoning_effort": "low", "nothing": null, "store": {"b": [1, {"a": 2.5}], "a": ""}})");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->request.generate.passthrough.dump(),
            R"({"reasoning_effort":"low","store":{"b":[1,{"a":2.5}],"a":""}})");
}

TEST(ParseChatCall, KeepsEachMessageAsTheApplicationWroteIt) {
  const std::string messages =
      R"([{"role":"developer","content":"Be kind.","x":1},)"
      R"({"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"role":"user"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"1","content":"7"}])";
  const auto call = parse(R"({"messages": )" + messages + "}");
  ASSERT_TRUE(call) << call.error().message;
  Json kept = Json::array();
  for (const auto& message : call->request.generate.messages) kept.push_back(message.json);
  EXPECT_EQ(kept.dump(), messages);
}

TEST(ParseChatCall, HeadersWinOverMetadata) {
  const auto call = parse(R"({"metadata": {"conversation_id": "m", "domain": "m"}})",
                          {{"x-rapport-user", " sam "},
                           {"x-rapport-conversation", "h"},
                           {"x-rapport-domain", "cooking"},
                           {"x-rapport-degree", "1"}});
  ASSERT_TRUE(call);
  EXPECT_EQ(call->request.caller.header_user, "sam");
  EXPECT_EQ(call->request.conversation, "h");
  EXPECT_EQ(call->request.domain, "cooking");
  EXPECT_EQ(call->request.degree, profile::Degree::kSettings);
}

TEST(ParseChatCall, RefusesHeadersThatMakeNoSense) {
  EXPECT_EQ(parse("{}", {{"x-rapport-degree", "4"}}).error().param, "x-rapport-degree");
  EXPECT_EQ(parse("{}", {{"x-rapport-degree", "-1"}}).error().param, "x-rapport-degree");
  EXPECT_EQ(parse("{}", {{"x-rapport-user", "\xff"}}).error().param, "x-rapport-user");
  EXPECT_EQ(parse("{}", {{"x-rapport-user", std::string(513, 'a')}}).error().param,
            "x-rapport-user");
}

TEST(ParseBody, SaysWhatIsNotJson) {
  for (const char* text : {"", "{", "[]", "7", "{\"a\": \"\xff\"}", "{\"a\": \"\\ud800\"}", "{} x"})
    EXPECT_EQ(parse_body(text).error().code, ErrorCode::kInvalidArgument) << text;
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  EXPECT_EQ(parse_body("{\"messages\": " + deep + "}").error().code, ErrorCode::kInvalidArgument);
}

TEST(Fields, NamesTheNearestKnownFieldForAnUnknownOne) {
  const Json object = {{"labell", "x"}};
  Fields fields(object);
  EXPECT_TRUE(fields.string("label"));
  const auto refused = fields.refuse_rest();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "labell");
  EXPECT_THAT(refused.error().message, HasSubstr("did you mean label?"));
}

TEST(Fields, NeverEchoesALongKey) {
  const Json object = {{std::string(1'000'000, 'k'), 1}};
  Fields fields(object);
  EXPECT_LT(fields.refuse_rest().error().message.size(), 300u);
}

}  // namespace
}  // namespace rapport::server
