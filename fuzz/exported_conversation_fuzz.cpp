// Conversations that ChatGPT and Claude export, from the stream to the messages: never a crash, and
// what is read is within its bounds.
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>

#include "rapport/base/json_stream.h"
#include "rapport/engine/exported_conversation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rapport;
  std::istringstream stream(std::string(reinterpret_cast<const char*>(data), size));
  const auto take = [](Json element, std::int64_t) -> Result<void> {
    for (const auto& read : {engine::read_chatgpt(element), engine::read_claude(element)}) {
      if (!read) continue;
      for (const engine::ExportedMessage& message : read->messages) {
        if (message.text.empty() || (message.role != "user" && message.role != "assistant")) {
          std::abort();
        }
      }
    }
    return {};
  };
  (void)base::read_json_array(stream, "fuzz", {.max_bytes = 1 << 20}, take);
  return 0;
}
