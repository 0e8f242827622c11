// HTTP/1.1 as well-behaved clients use it, streams over time, and shutdown.
#include "rapport/server/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "test_server.h"

namespace rapport::testing {
namespace {

using ::testing::HasSubstr;

Json streamed(const std::string& text) {
  Json body = say(text);
  body["stream"] = true;
  return body;
}

TEST(Listener, KeepsTheConnection) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  for (int i = 0; i < 3; ++i) {
    connection.send(request_bytes("POST", "/v1/chat/completions", streamed("Hi").dump()));
    EXPECT_TRUE(connection.read_response().whole);
    connection.send(request_bytes("GET", "/v1/models"));
    EXPECT_EQ(connection.read_response().status, 200);
    connection.send(request_bytes("POST", "/v1/nothing", "a small body"));
    EXPECT_EQ(connection.read_response().status, 404)
        << "its body is dropped, not taken for a request";
  }
}

TEST(Listener, SpeaksHttp10) {
  TestServer server({"ok"});
  HttpConnection once(server.port());
  once.send("GET /healthz HTTP/1.0\r\n\r\n");
  const Received closed = once.read_response();
  EXPECT_EQ(closed.status, 200);
  EXPECT_EQ(closed.header("connection"), "close");
  EXPECT_EQ(once.read_to_end(), "");
  HttpConnection kept(server.port());
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_EQ(kept.read_response().header("connection"), "keep-alive");
  }
}

TEST(Listener, HeadHasTheHeadersOfGetAndNoBody) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  const std::string length = server.get("/healthz").header("content-length");
  connection.send(request_bytes("HEAD", "/healthz"));
  EXPECT_EQ(connection.read_response(/*without_body=*/true).header("content-length"), length);
  connection.send(request_bytes("GET", "/healthz"));
  EXPECT_EQ(connection.read_response().status, 200);
}

TEST(Listener, TellsWhoExpectsItToContinue) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  const std::string body = say("Hi").dump();
  connection.send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nExpect: "
      "100-continue\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_THAT(connection.read_until("\r\n\r\n"), HasSubstr("100 Continue"));
  connection.send(body);
  EXPECT_EQ(connection.read_response().status, 200);
  HttpConnection refused(server.port());
  refused.send(
      "POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "9\r\n\r\n");
  EXPECT_EQ(refused.read_response().status, 404) << "nothing is read for a route that is not there";
}

TEST(Listener, ReadsAByteAtATime) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  for (const char c : request_bytes("POST", "/v1/chat/completions", say("Hi").dump()))
    connection.send(std::string(1, c));
  EXPECT_EQ(connection.read_response().status, 200);
}

TEST(Listener, ReadsChunks) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  connection.send(
      "POST /v1/users/sam/facts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "9;x=y\r\n{\"text\": \r\n10\r\n\"I like chunks.\"\r\n1\r\n}\r\n0\r\n\r\n");
  EXPECT_EQ(connection.read_response().status, 201);
}

TEST(Listener, NamesEachRequest) {
  TestServer server({"ok"});
  EXPECT_EQ(server.get("/healthz", {{"X-Request-Id", "mine-1.2_3"}}).header("x-request-id"),
            "mine-1.2_3");
  const std::string made =
      server.get("/healthz", {{"X-Request-Id", "not mine!"}}).header("x-request-id");
  EXPECT_THAT(made, HasSubstr("req_"));
  EXPECT_NE(server.get("/healthz").header("x-request-id"), made);
}

TEST(Listener, TellsTheMethodsOfAPath) {
  TestServer server({"ok"});
  EXPECT_EQ(server.send("PUT", "/v1/users/sam/facts", {}).header("allow"), "GET, HEAD, POST");
  const Received options = server.send("OPTIONS", "/v1/users/sam/facts", {});
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.header("allow"), "GET, HEAD, POST");
}

TEST(Streams, ASilentStreamIsKeptOpenByComments) {
  TestServer server({"one two"}, {.keep_alive_seconds = 0.05});
  server.model->hold_after(1);
  HttpConnection connection(server.port());
  connection.send(request_bytes("POST", "/v1/chat/completions", streamed("Hi").dump()));
  EXPECT_THAT(connection.read_until(": keep-alive\n\n"), HasSubstr("\"one\""));
  connection.read_until(": keep-alive\n\n");
  server.model->release();
  EXPECT_THAT(connection.read_until("[DONE]\n\n"), HasSubstr("\" two\""));
}

TEST(Streams, CommentsBeginBeforeTheFirstWord) {
  TestServer server({"one two"}, {.keep_alive_seconds = 0.05});
  server.model->hold_after(0);
  HttpConnection connection(server.port());
  connection.send(request_bytes("POST", "/v1/chat/completions", streamed("Hi").dump()));
  EXPECT_THAT(connection.read_until(": keep-alive\n\n"), HasSubstr("text/event-stream"));
  server.model->release();
  EXPECT_THAT(connection.read_until("[DONE]\n\n"), HasSubstr("\"one\""));
}

TEST(Shutdown, LetsStreamsFinish) {
  TestServer server({"one two three"});
  server.model->hold_after(1);
  HttpConnection idle(server.port());
  HttpConnection connection(server.port());
  connection.send(request_bytes("POST", "/v1/chat/completions", streamed("Hi").dump()));
  server.model->wait_until_held();
  connection.read_until("\"one\"");
  std::thread stopping([&] { server.server->shutdown(); });
  EXPECT_EQ(idle.read_to_end(), "") << "an idle connection is closed at once";
  server.model->release();
  EXPECT_THAT(connection.read_to_end(), HasSubstr("[DONE]"));
  stopping.join();
  EXPECT_EQ(server.get("/healthz").status, 0) << "nobody is there any more";
}

TEST(Shutdown, CutsOffWhatTakesTooLong) {
  TestServer server({"one two three"}, {.shutdown_seconds = 0.05});
  server.model->hold_after(1);
  HttpConnection connection(server.port());
  connection.send(request_bytes("POST", "/v1/chat/completions", streamed("Hi").dump()));
  server.model->wait_until_held();
  server.server->shutdown();
  EXPECT_THAT(connection.read_to_end(), ::testing::Not(HasSubstr("[DONE]")));
}

TEST(ListenAddress, IsAnAddressAndAPort) {
  struct Case {
    const char* text;
    const char* url;
    bool loopback;
  };
  const Case cases[] = {{"127.0.0.1:8080", "http://127.0.0.1:8080", true},
                        {"localhost:1", "http://127.0.0.1:1", true},
                        {"[::1]:80", "http://[::1]:80", true},
                        {"127.1.2.3:80", "http://127.1.2.3:80", true},
                        {"0.0.0.0:80", "http://localhost:80", false},
                        {":80", "http://localhost:80", false},
                        {"[::]:80", "http://localhost:80", false},
                        {"192.168.1.5:80", "http://192.168.1.5:80", false}};
  for (const Case& c : cases) {
    const auto address = server::parse_listen_address(c.text);
    ASSERT_TRUE(address) << c.text;
    EXPECT_EQ(address->url(address->port), c.url);
    EXPECT_EQ(address->loopback, c.loopback) << c.text;
  }
}

}  // namespace
}  // namespace rapport::testing
