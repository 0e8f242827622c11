#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/watched_transfer.h"
#include "rapport/base/http_client.h"
#include "testing/loopback_server.h"

// When transfers end before their time, run side by side, or wait for a timer.
namespace rapport::base {
namespace {

using rapport::testing::Gate;
using rapport::testing::LoopbackPeer;
using rapport::testing::LoopbackRequest;
using rapport::testing::LoopbackServer;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(HttpClientCancellation, ClosesTheConnectionThatAStreamRunsOn) {
  Gate client_left;
  LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk("x");
    if (peer.wait_for_client_to_leave()) client_left.open();
  });
  HttpClient client;
  std::stop_source stop;
  OutgoingRequest request = get(server.url("/"));
  request.stop_token = stop.get_token();
  WatchedTransfer watched;
  client.start(std::move(request), watched.callbacks());
  ASSERT_TRUE(watched.body_came.wait());

  stop.request_stop();
  const auto result = watched.outcome.get();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
  EXPECT_TRUE(client_left.wait());
}

TEST(HttpClientCancellation, ReachesARequestThatStillWaitsForItsAnswer) {
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.wait_for_client_to_leave(); });
  HttpClient client;
  std::stop_source stop;
  OutgoingRequest request = get(server.url("/"));
  request.stop_token = stop.get_token();
  WatchedTransfer watched;
  client.start(std::move(request), watched.callbacks());
  ASSERT_TRUE(server.wait_for_requests(1));
  stop.request_stop();
  EXPECT_EQ(watched.outcome.get().error().code, ErrorCode::kCancelled);
}

TEST(HttpClientCancellation, BeforeTheStartSendsNothing) {
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.respond(200, "{}"); });
  HttpClient client;
  std::stop_source stop;
  stop.request_stop();
  OutgoingRequest request = get(server.url("/"));
  request.stop_token = stop.get_token();
  EXPECT_EQ(fetch(client, std::move(request)).error().code, ErrorCode::kCancelled);
  EXPECT_EQ(server.connections(), 0u);
}

TEST(HttpClientCancellation, MayComeFromACallback) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    while (peer.send_chunk("x")) continue;
  });
  HttpClient client;
  std::stop_source stop;
  OutgoingRequest request = get(server.url("/"));
  request.stop_token = stop.get_token();
  std::promise<Result<void>> done;
  int pieces = 0;
  client.start(std::move(request),
               {.on_body =
                    [&](std::string_view) {
                      ++pieces;
                      stop.request_stop();
                    },
                .on_done = [&](Result<void> result) { done.set_value(std::move(result)); }});
  EXPECT_EQ(done.get_future().get().error().code, ErrorCode::kCancelled);
  EXPECT_EQ(pieces, 1) << "nothing is handed over after the stop";
}

TEST(HttpClientCancellation, ReachesARequestThatIsStillConnecting) {
  // A plain server never answers the TLS greeting.
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer&) {});
  HttpClient client;
  std::stop_source stop;
  OutgoingRequest request = get("https://127.0.0.1:" + std::to_string(server.port()) + "/");
  request.stop_token = stop.get_token();
  WatchedTransfer watched;
  client.start(std::move(request), watched.callbacks());
  client.after(milliseconds{20}, [&] { stop.request_stop(); });
  EXPECT_EQ(watched.outcome.get().error().code, ErrorCode::kCancelled);
  EXPECT_EQ(server.requests().size(), 0u);
}

TEST(HttpClientCancellation, LeavesTheOtherTransfersAlone) {
  Gate go_on;
  LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk("x");
    if (peer.wait(go_on)) peer.end_stream();
  });
  HttpClient client;
  std::stop_source stop;
  OutgoingRequest stopped = get(server.url("/"));
  stopped.stop_token = stop.get_token();
  WatchedTransfer leaving, staying;
  client.start(std::move(stopped), leaving.callbacks());
  client.start(get(server.url("/")), staying.callbacks());
  ASSERT_TRUE(leaving.body_came.wait());
  ASSERT_TRUE(staying.body_came.wait());
  stop.request_stop();
  EXPECT_FALSE(leaving.outcome.get());
  go_on.open();
  EXPECT_TRUE(staying.outcome.get());
}

TEST(HttpClientLifetime, DestructionCancelsWhatRunsAndTellsEachOwner) {
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.wait_for_client_to_leave(); });
  std::vector<std::unique_ptr<WatchedTransfer>> all;
  {
    HttpClient client;
    for (int i = 0; i < 8; ++i) {
      all.push_back(std::make_unique<WatchedTransfer>());
      client.start(get(server.url("/")), all.back()->callbacks());
    }
    ASSERT_TRUE(server.wait_for_requests(4));
  }
  for (const auto& watched : all)
    EXPECT_EQ(watched->outcome.get().error().code, ErrorCode::kCancelled);
}

TEST(HttpClientLifetime, ARequestThatACallbackStartsDuringDestructionIsCancelledToo) {
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.wait_for_client_to_leave(); });
  WatchedTransfer second;
  {
    HttpClient client;
    client.start(get(server.url("/")), {.on_done = [&](Result<void>) {
                   client.start(get(server.url("/")), second.callbacks());
                 }});
    ASSERT_TRUE(server.wait_for_requests(1));
  }
  EXPECT_EQ(second.outcome.get().error().code, ErrorCode::kCancelled);
}

TEST(HttpClientConcurrency, DrivesManyTransfersAtOnce) {
  // None is answered before all have come: they do run at the same time.
  constexpr std::size_t kTransfers = 64;
  Gate all_came;
  LoopbackServer server([&](const LoopbackRequest& request, LoopbackPeer& peer) {
    if (peer.wait(all_came)) peer.respond(200, request.target);
  });
  HttpClient client;
  std::vector<std::unique_ptr<WatchedTransfer>> all;
  for (std::size_t i = 0; i < kTransfers; ++i) {
    all.push_back(std::make_unique<WatchedTransfer>());
    client.start(get(server.url("/" + std::to_string(i))), all.back()->callbacks());
  }
  ASSERT_TRUE(server.wait_for_requests(kTransfers));
  all_came.open();
  for (std::size_t i = 0; i < kTransfers; ++i) {
    ASSERT_TRUE(all[i]->outcome.get());
    EXPECT_EQ(all[i]->body, "/" + std::to_string(i));
  }
}

TEST(HttpClientConcurrency, StartsAndStopsFromManyThreadsAtOnce) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk("x");
    peer.end_stream();
  });
  HttpClient client;
  std::atomic<int> finished{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) {
          std::stop_source stop;
          OutgoingRequest request = get(server.url("/"));
          request.stop_token = stop.get_token();
          WatchedTransfer watched;
          client.start(std::move(request), watched.callbacks());
          if (i % 2 == 0) stop.request_stop();
          watched.outcome.wait();
          ++finished;
        }
      });
    }
  }
  EXPECT_EQ(finished, 40);
}

TEST(HttpClientTimers, RunInTheOrderOfTheirTimesNotBeforeThem) {
  HttpClient client;
  const auto began = steady_clock::now();
  std::vector<int> order;
  std::promise<void> done;
  client.after(milliseconds{40}, [&] {
    order.push_back(2);
    EXPECT_GE(steady_clock::now() - began, milliseconds{40});
    done.set_value();
  });
  client.after(milliseconds{20}, [&] {
    order.push_back(1);
    EXPECT_GE(steady_clock::now() - began, milliseconds{20});
  });
  client.after(milliseconds{0}, [&] { order.push_back(0); });
  done.get_future().wait();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2));
}

TEST(HttpClientTimers, ATaskMayStartARequestAsARetryDoes) {
  LoopbackServer server([](const LoopbackRequest& request, LoopbackPeer& peer) {
    peer.respond(request.index == 0 ? 503 : 200, "{}");
  });
  HttpClient client;
  WatchedTransfer second;
  int first_status = 0;
  client.start(get(server.url("/")),
               {.on_head = [&](const IncomingHead& head) { first_status = head.status; },
                .on_done =
                    [&](Result<void>) {
                      client.after(milliseconds{5},
                                   [&] { client.start(get(server.url("/")), second.callbacks()); });
                    }});
  EXPECT_TRUE(second.outcome.get());
  EXPECT_EQ(first_status, 503);
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST(HttpClientTimers, AreDroppedWithTheClient) {
  const auto held = std::make_shared<int>(0);
  {
    HttpClient client;
    client.after(std::chrono::hours{1}, [held] { *held = 1; });
  }
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(held.use_count(), 1) << "the task and what it held are gone";
}

}  // namespace
}  // namespace rapport::base
