// Whatever a client sends as the body of a chat request: it is refused with a sentence, or every
// value that reaches the engine keeps the bounds that the engine relies on.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "rapport/base/text.h"
#include "rapport/server/json_fields.h"
#include "rapport/server/openai_chat.h"

namespace {

using namespace rapport;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const Error& error) {
  require(error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kTooLarge);
  require(!error.message.empty() && error.message.size() < 4'096);
  require(base::is_utf8(base::dump_json(server::error_body(error))));
}

void check(const server::ChatCall& call) {
  const language::GenerateRequest& generate = call.request.generate;
  require(!generate.messages.empty());
  for (const language::ChatMessage& message : generate.messages) {
    require(!message.role().empty());
    require(base::is_utf8(message.content()));
  }
  require(call.request.n >= 1 && call.request.n <= 128);
  require(!generate.max_tokens || *generate.max_tokens >= 1);
  require(generate.stop.size() <= 4);
  for (const std::string& stop : generate.stop) require(!stop.empty());
  require(generate.top_logprobs >= 0 && generate.top_logprobs <= 20);
  require(generate.tools.is_null() || generate.tools.is_array());
  require(generate.passthrough.is_object() && !generate.passthrough.contains("messages"));
  // What goes up is what came: it can be written and read again.
  require(base::parse_json(base::dump_json(generate.passthrough), "passthrough").has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto body = server::parse_body(bytes);
  if (!body) {
    check(body.error());
    return 0;
  }
  const auto call = server::parse_chat_call(*std::move(body), {});
  if (call) {
    check(*call);
  } else {
    check(call.error());
  }
  return 0;
}
