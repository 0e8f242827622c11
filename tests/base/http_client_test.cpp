#include "rapport/base/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/watched_transfer.h"
#include "testing/loopback_server.h"

namespace rapport::base {
namespace {

using rapport::testing::Gate;
using rapport::testing::LoopbackPeer;
using rapport::testing::LoopbackRequest;
using rapport::testing::LoopbackServer;
using rapport::testing::RefusingPort;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

/// Short enough for a test, long enough that nothing else than the thing under test takes it.
constexpr milliseconds kShort{60};

TEST(HttpClient, FetchesAnAnswerAndSendsWhatWasAskedFor) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.respond(201, R"({"ok":true})", "application/json", {{"X-Request-ID", "  r1 "}});
  });
  HttpClient client;
  const auto answer = fetch(client, {.url = server.url("/v1/chat?x=1"),
                                     .headers = {{"Authorization", "Bearer abc"}, {"X-Empty", ""}},
                                     .body = "{}"});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->head.status, 201);
  EXPECT_THAT(answer->head.headers, Contains(Pair("x-request-id", "r1")));
  EXPECT_THAT(answer->head.headers, Contains(Pair("content-type", "application/json")));
  EXPECT_EQ(answer->body, R"({"ok":true})");

  const LoopbackRequest sent = server.requests().at(0);
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.target, "/v1/chat?x=1");
  EXPECT_EQ(sent.body, "{}");
  EXPECT_EQ(sent.header("authorization"), "Bearer abc");
  EXPECT_THAT(sent.headers, Contains(Pair("x-empty", "")));
  EXPECT_THAT(sent.headers, Not(Contains(Pair("content-type", ::testing::_))))
      << "the caller named none";
}

TEST(HttpClient, EveryMethodSendsItsBodyAndItsLength) {
  LoopbackServer server([](const LoopbackRequest& request, LoopbackPeer& peer) {
    // An answer to HEAD has a length but no body.
    if (request.method == "HEAD") {
      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    } else {
      peer.respond(200, request.method + ":" + request.body);
    }
  });
  HttpClient client;
  struct Case {
    const char* method;
    const char* body;
    const char* answer;
  };
  for (const Case& c :
       {Case{"GET", "", "GET:"}, Case{"POST", "", "POST:"}, Case{"PUT", "x", "PUT:x"},
        Case{"DELETE", "", "DELETE:"}, Case{"PATCH", "y", "PATCH:y"}, Case{"GET", "q", "GET:q"},
        Case{"HEAD", "", ""}}) {
    const auto answer = fetch(client, {.method = c.method, .url = server.url("/"), .body = c.body});
    ASSERT_TRUE(answer) << c.method << ": " << answer.error().message;
    EXPECT_EQ(answer->body, c.answer) << c.method;
  }
}

TEST(HttpClient, ReusesOneConnectionForRequestsThatFollowEachOther) {
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.respond(200, "{}"); });
  HttpClient client;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(fetch(client, get(server.url("/"))));
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, SurvivesAKeptConnectionThatTheServerClosedMeanwhile) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.respond(200, "{}");
    peer.close();
  });
  HttpClient client;
  for (int i = 0; i < 3; ++i) {
    const auto answer = fetch(client, get(server.url("/")));
    EXPECT_TRUE(answer) << answer.error().message;
  }
}

TEST(HttpClient, HandsOverEachPieceWhenItComesNotWhenTheAnswerEnds) {
  Gate go_on;
  LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk("first ");
    if (!peer.wait(go_on)) return;
    peer.send_chunk("second");
    peer.end_stream();
  });
  HttpClient client;
  WatchedTransfer watched;
  client.start(get(server.url("/")), watched.callbacks());
  ASSERT_TRUE(watched.body_came.wait()) << "the server stalls until we have seen the first piece";
  EXPECT_EQ(watched.body, "first ");
  go_on.open();
  EXPECT_TRUE(watched.outcome.get());
  EXPECT_EQ(watched.body, "first second");
}

TEST(HttpClient, TellsTheHeadBeforeTheBodyAndTheEndOnceAndLast) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    peer.begin_stream(200, "text/plain", {{"X-Real", "yes"}});
    peer.send_chunk("a");
    peer.send("0\r\nX-Trailer: late\r\n\r\n");
  });
  HttpClient client;
  std::vector<std::string> seen;
  std::promise<void> done;
  client.start(get(server.url("/")),
               {.on_head =
                    [&](const IncomingHead& head) {
                      seen.push_back("head");
                      EXPECT_EQ(head.status, 200);
                      EXPECT_THAT(head.headers, Contains(Pair("x-real", "yes")));
                      EXPECT_THAT(head.headers, Not(Contains(Pair("link", ::testing::_))));
                    },
                .on_body = [&](std::string_view) { seen.push_back("body"); },
                .on_done =
                    [&](Result<void> result) {
                      EXPECT_TRUE(result);
                      seen.push_back("done");
                      done.set_value();
                    }});
  done.get_future().wait();
  EXPECT_THAT(seen, ::testing::ElementsAre("head", "body", "done"));
}

struct FaultCase {
  const char* behaviour;
  LoopbackServer::Handler handler;
  OutgoingRequest request;  // its URL is set to the server's
  ErrorCode code;
  const char* sentence;  // part of the message
};

TEST(HttpClient, ReportsEachFaultWithItsKindAndItsUrl) {
  const auto stall = [](LoopbackPeer& peer) { peer.wait_for_client_to_leave(); };
  const FaultCase cases[] = {
      {"no answer within the first-byte bound",
       [&](const auto&, LoopbackPeer& peer) { stall(peer); },
       {.first_byte_timeout = kShort},
       ErrorCode::kTimeout,
       "waiting for the answer to begin"},
      {"a head alone is not the first byte",
       [&](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         stall(peer);
       },
       {.first_byte_timeout = kShort},
       ErrorCode::kTimeout,
       "waiting for the answer to begin"},
      {"a stream that dries up",
       [&](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         peer.send_chunk("x");
         stall(peer);
       },
       {.idle_timeout = kShort},
       ErrorCode::kTimeout,
       "waiting for the next piece"},
      {"a stream that never ends",
       [](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         while (peer.send_chunk(std::string(100, 'x'))) continue;
       },
       {.total_timeout = kShort, .max_response_bytes = std::size_t{1} << 40},
       ErrorCode::kTimeout,
       "waiting for the whole answer"},
      {"more bytes than accepted",
       [&](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         peer.send_chunk(std::string(101, 'x'));
         stall(peer);
       },
       {.max_response_bytes = 100},
       ErrorCode::kUpstream,
       "more than 100 bytes"},
      {"more headers than accepted",
       [&](const auto&, LoopbackPeer& peer) {
         peer.send("HTTP/1.1 200 OK\r\n");
         while (peer.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) continue;
       },
       {},
       ErrorCode::kUpstream,
       "bytes of headers"},
      {"closed before the promised length",
       [](const auto&, LoopbackPeer& peer) {
         peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
         peer.close();
       },
       {},
       ErrorCode::kUpstream,
       ""},
      {"a chunked stream that is cut",
       [](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         peer.send_chunk("abc");
         peer.close();
       },
       {},
       ErrorCode::kUpstream,
       ""},
      {"a reset",
       [](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         peer.reset();
       },
       {},
       ErrorCode::kUpstream,
       ""},
      {"closed without a word",
       [](const auto&, LoopbackPeer& peer) { peer.close(); },
       {},
       ErrorCode::kUpstream,
       ""},
      {"not HTTP",
       [](const auto&, LoopbackPeer& peer) {
         peer.send("SSH-2.0-OpenSSH_9.2\r\n");
         peer.close();
       },
       {},
       ErrorCode::kUpstream,
       ""},
      {"a chunk size that is no number",
       [&](const auto&, LoopbackPeer& peer) {
         peer.begin_stream(200);
         peer.send("zz\r\nabc\r\n");
         stall(peer);
       },
       {},
       ErrorCode::kUpstream,
       ""},
  };
  for (const FaultCase& c : cases) {
    LoopbackServer server(c.handler);
    HttpClient client;
    OutgoingRequest request = c.request;
    request.url = server.url("/path?key=hunter2");
    const auto answer = fetch(client, request);
    ASSERT_FALSE(answer) << c.behaviour;
    EXPECT_EQ(answer.error().code, c.code) << c.behaviour << ": " << answer.error().message;
    EXPECT_THAT(answer.error().message, AllOf(HasSubstr(server.url("/path")), HasSubstr(c.sentence),
                                              Not(HasSubstr("hunter2"))))
        << c.behaviour;
  }
}

TEST(HttpClient, TheFirstByteBoundHoldsOnAKeptConnectionToo) {
  LoopbackServer server([](const LoopbackRequest& request, LoopbackPeer& peer) {
    if (request.index == 0) {
      peer.respond(200, "{}");
    } else {
      peer.wait_for_client_to_leave();
    }
  });
  HttpClient client;
  ASSERT_TRUE(fetch(client, get(server.url("/"))));
  OutgoingRequest second = get(server.url("/"));
  second.first_byte_timeout = kShort;
  const auto answer = fetch(client, std::move(second));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, SlowButSteadyIsNotIdle) {
  // Each piece comes after the client has seen the one before; in all that is longer than the idle
  // bound, which runs between two bytes.
  HttpClient client;
  std::vector<std::unique_ptr<Gate>> gates;
  for (int i = 0; i < 4; ++i) gates.push_back(std::make_unique<Gate>());
  LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    for (const auto& gate : gates) {
      if (!peer.send_chunk("x") || !peer.wait(*gate)) return;
    }
    peer.end_stream();
  });
  OutgoingRequest request = get(server.url("/"));
  request.idle_timeout = milliseconds{200};
  std::promise<Result<void>> done;
  std::size_t pieces = 0;
  const auto began = steady_clock::now();
  client.start(std::move(request),
               {.on_body =
                    [&](std::string_view) {
                      Gate& gate = *gates[pieces++];
                      client.after(kShort, [&gate] { gate.open(); });
                    },
                .on_done = [&](Result<void> result) { done.set_value(std::move(result)); }});
  const auto result = done.get_future().get();
  EXPECT_TRUE(result) << result.error().message;
  EXPECT_GE(steady_clock::now() - began, 4 * kShort);
}

TEST(HttpClient, ConnectingIsBoundedThroughTheTlsHandshake) {
  // A plain server never answers a TLS greeting, so the connection never stands.
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer&) {});
  HttpClient client;
  const auto answer =
      fetch(client, {.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/",
                     .connect_timeout = kShort});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
  EXPECT_THAT(answer.error().message, HasSubstr("could not be reached within 60 ms"));
}

TEST(HttpClient, ARefusedConnectionIsTheUpstreamsFault) {
  const RefusingPort port;
  HttpClient client;
  const auto answer = fetch(client, get(port.url("/")));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUpstream);
  EXPECT_THAT(answer.error().message, HasSubstr(port.url("/")));
}

TEST(HttpClient, RefusesRequestsThatCannotBeSent) {
  struct Case {
    const char* behaviour;
    OutgoingRequest request;
  };
  const Case cases[] = {
      {"a file", {.url = "file:///etc/hostname"}},
      {"another protocol", {.url = "gopher://127.0.0.1/"}},
      {"no scheme", {.url = "127.0.0.1:1/"}},
      {"nothing", {.url = ""}},
      {"no host", {.url = "http://"}},
      {"a blank in the host", {.url = "http://exa mple/"}},
      {"a port that is none", {.url = "http://127.0.0.1:99999/"}},
      {"a line break in a value", {.url = "http://127.0.0.1:1/", .headers = {{"A", "b\r\nC: d"}}}},
      {"a NUL in a value",
       {.url = "http://127.0.0.1:1/", .headers = {{"A", std::string("b\0c", 3)}}}},
      {"a colon in a name", {.url = "http://127.0.0.1:1/", .headers = {{"A:", "b"}}}},
      {"a blank in the method", {.method = "GET /x", .url = "http://127.0.0.1:1/"}},
      {"no method", {.method = "", .url = "http://127.0.0.1:1/"}},
  };
  HttpClient client;
  for (const Case& c : cases) {
    const auto answer = fetch(client, c.request);
    ASSERT_FALSE(answer) << c.behaviour;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument)
        << c.behaviour << ": " << answer.error().message;
  }
}

TEST(HttpClient, FollowsNoRedirect) {
  LoopbackServer server([](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.respond(302, "", "text/plain", {{"Location", "/elsewhere"}});
  });
  HttpClient client;
  const auto answer = fetch(client, get(server.url("/")));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->head.status, 302);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(HttpClient, HonoursNoProxyOfTheEnvironment) {
  const RefusingPort nobody;
  ::setenv("http_proxy", nobody.url().c_str(), 1);
  LoopbackServer server(
      [](const LoopbackRequest&, LoopbackPeer& peer) { peer.respond(200, "{}"); });
  HttpClient client;
  const auto answer = fetch(client, get(server.url("/")));
  ::unsetenv("http_proxy");
  EXPECT_TRUE(answer) << answer.error().message;
}

TEST(HttpClient, ALargeBodyGoesOutWithoutWaitingForPermission) {
  LoopbackServer server([](const LoopbackRequest& request, LoopbackPeer& peer) {
    peer.respond(200, std::to_string(request.body.size()));
  });
  HttpClient client;
  const auto answer = fetch(client, {.url = server.url("/"), .body = std::string(5u << 20, 'x')});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->body, std::to_string(5u << 20));
  EXPECT_EQ(server.requests().at(0).header("expect"), "");
}

}  // namespace
}  // namespace rapport::base
