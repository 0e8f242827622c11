// A request that a test does not wait for at once.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "rapport/base/http_client.h"
#include "testing/loopback_server.h"

namespace rapport::base {

inline OutgoingRequest get(std::string url) {
  return {.method = "GET", .url = std::move(url)};
}

struct WatchedTransfer {
  // Shared with the callback, which may still be inside `set_value` when the test goes on.
  std::shared_ptr<std::promise<Result<void>>> done = std::make_shared<std::promise<Result<void>>>();
  std::future<Result<void>> outcome = done->get_future();
  rapport::testing::Gate body_came;
  std::string body;  // read it after `outcome`, or after `body_came` when no more is sent

  TransferCallbacks callbacks() {
    return {.on_body =
                [this](std::string_view piece) {
                  body += piece;
                  body_came.open();
                },
            .on_done = [done = done](Result<void> result) { done->set_value(std::move(result)); }};
  }
};

}  // namespace rapport::base
