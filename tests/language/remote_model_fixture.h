// A remote model and the upstreams on loopback that its tests are made of.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/language/remote_model.h"
#include "testing/loopback_server.h"

namespace rapport::language {

using rapport::testing::LoopbackPeer;
using rapport::testing::LoopbackRequest;
using rapport::testing::LoopbackServer;

inline std::string event(std::string_view data) {
  return fmt::format("data: {}\n\n", data);
}

inline std::string chunk(std::string_view delta, std::string_view finish_reason = "null") {
  return event(fmt::format(
      R"({{"id":"c1","object":"chat.completion.chunk","model":"m-2024","system_fingerprint":"fp_1",)"
      R"("choices":[{{"index":0,"delta":{},"finish_reason":{}}}]}})",
      delta, finish_reason));
}

inline std::string text_chunk(std::string_view text) {
  return chunk(Json{{"content", text}}.dump());
}

inline const std::string kStop = chunk("{}", "\"stop\"");
inline const std::string kUsage =
    event(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,)"
          R"("prompt_tokens_details":{"cached_tokens":4}}})");
inline const std::string kDone = event("[DONE]");
inline const std::string kHello = chunk(R"({"role":"assistant","content":""})") +
                                  text_chunk("Hel") + text_chunk("lo") + kStop + kUsage + kDone;

inline LoopbackServer::Handler stream(std::string body) {
  return [body = std::move(body)](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk(body);
    peer.end_stream();
  };
}

/// The answers one after another; the last of them for all later requests.
inline LoopbackServer::Handler in_turn(std::vector<LoopbackServer::Handler> handlers) {
  return [handlers = std::move(handlers)](const LoopbackRequest& request, LoopbackPeer& peer) {
    handlers[std::min(request.index, handlers.size() - 1)](request, peer);
  };
}

inline LoopbackServer::Handler respond(int status, std::string body,
                                       LoopbackPeer::Headers headers = {}) {
  return [=](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.respond(status, body, "application/json", headers);
  };
}

inline GenerateRequest ask(std::string_view text = "Hi") {
  GenerateRequest request;
  request.messages = {ChatMessage::text("user", text)};
  return request;
}

class RemoteModelFixture : public ::testing::Test {
 protected:
  static RemoteOptions options_for(const std::string& base_url) {
    RemoteOptions options;
    options.base_url = base_url;
    options.api_key = "sk-test-0123456789";
    options.model = "m";
    options.models = {"other"};
    options.backoff_base_ms = 1;
    options.breaker_failures = 0;
    return options;
  }

  std::unique_ptr<RemoteModel> model_for(const LoopbackServer& server,
                                         const std::function<void(RemoteOptions&)>& change = {}) {
    RemoteOptions options = options_for(server.url("/v1"));
    if (change) change(options);
    auto model = RemoteModel::create(options, http_, clock_, random_);
    EXPECT_TRUE(model) << model.error().message;
    return *std::move(model);
  }

  /// What one request to an upstream that behaves so comes to.
  Result<Completion> answer_of(LoopbackServer::Handler handler,
                               const std::function<void(RemoteOptions&)>& change = {}) {
    const LoopbackServer server(std::move(handler));
    auto answer = generate_and_wait(*model_for(server, change), ask());
    requests_ = server.requests().size();
    return answer;
  }

  base::HttpClient http_;
  base::ManualClock clock_;
  base::SeededRandom random_{1};
  std::size_t requests_ = 0;
};

}  // namespace rapport::language
