#include "rapport/language/tool_call_stream.h"

#include <chat.h>

#include <exception>
#include <vector>

#include "rapport/base/random.h"

namespace rapport::language {

struct ToolCallStream::Parser {
  common_chat_parser_params params;
  common_chat_msg seen;
  std::vector<std::string> ids;
  base::SeededRandom random;

  Parser(const common_chat_params& format, std::uint64_t seed) : params(format), random(seed) {
    if (!format.parser.empty()) params.parser.load(format.parser);
  }
};

ToolCallStream::ToolCallStream(const common_chat_params& format, std::uint64_t seed)
    : parser_(std::make_unique<Parser>(format, seed)) {}

ToolCallStream::~ToolCallStream() = default;

Delta ToolCallStream::push(std::string_view text) {
  raw_ += text;
  return parse(/*partial=*/true);
}

Delta ToolCallStream::finish() {
  return parse(/*partial=*/false);
}

Delta ToolCallStream::parse(bool partial) {
  Delta delta;
  try {
    common_chat_msg now = common_chat_parse(raw_, partial, parser_->params);
    now.set_tool_call_ids(parser_->ids, [this] { return parser_->random.id("call_"); });
    for (const common_chat_msg_diff& diff :
         common_chat_msg_diff::compute_diffs(parser_->seen, now)) {
      delta.text += diff.content_delta;
      if (diff.tool_call_index == std::string::npos) continue;
      Json call = {{"index", diff.tool_call_index}};
      if (!diff.tool_call_delta.name.empty()) {
        call["id"] = diff.tool_call_delta.id;
        call["type"] = "function";
        call["function"]["name"] = diff.tool_call_delta.name;
      }
      call["function"]["arguments"] = diff.tool_call_delta.arguments;
      if (delta.tool_calls.is_null()) delta.tool_calls = Json::array();
      delta.tool_calls.push_back(std::move(call));
    }
    parser_->seen = std::move(now);
  } catch (const std::exception&) {
    // The answer broke off inside a call: what was understood so far stands. Or it is nothing the
    // format knows, and then it is text.
    if (!partial && parser_->seen.tool_calls.empty() && raw_.starts_with(text_))
      delta.text = raw_.substr(text_.size());
  }
  text_ += delta.text;
  return delta;
}

Json ToolCallStream::tool_calls() const {
  if (parser_->seen.tool_calls.empty()) return {};
  Json calls = Json::array();
  for (const common_chat_tool_call& call : parser_->seen.tool_calls) {
    calls.push_back({{"id", call.id},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return calls;
}

}  // namespace rapport::language
