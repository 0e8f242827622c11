// Clients that are broken, hostile or gone. After each of them the server must still answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "test_server.h"

namespace rapport::testing {
namespace {

using ::testing::HasSubstr;

void expect_alive(const TestServer& server) {
  EXPECT_EQ(server.get("/healthz").status, 200) << "the server must still answer";
}

struct RawCase {
  const char* behaviour;
  std::string bytes;
  int status;
};

std::string chat_request(const std::string& body) {
  return request_bytes("POST", "/v1/chat/completions", body);
}

TEST(Hostile, EachWrongRequestGetsItsStatusInJson) {
  TestServer server({"ok"});
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const RawCase cases[] = {
      {"no HTTP", "hello\r\n\r\n", 400},
      {"TLS to a plain port",
       std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 \r\n\r\n", 17), 400},
      {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"HTTP/3.0", "GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n", 505},
      {"missing Host", "GET /healthz HTTP/1.1\r\n\r\n", 400},
      {"a space before the colon", "GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n", 400},
      {"bare line feeds", "GET /healthz HTTP/1.1\nHost: localhost\n\n", 505},
      {"negative Content-Length",
       "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
      {"two Content-Lengths",
       "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: "
       "2\r\n\r\nab",
       400},
      {"both length and chunks",
       "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
       "chunked\r\n\r\n0\r\n\r\n",
       400},
      {"chunks that are not last",
       "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, "
       "gzip\r\n\r\n0\r\n\r\n",
       501},
      {"a chunk size that is none",
       "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
       400},
      {"huge headers",
       "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n",
       431},
      {"a huge target",
       "GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431},
      {"an unknown path", request_bytes("GET", "/v1/nothing"), 404},
      {"a wrong method", request_bytes("DELETE", "/v1/models"), 405},
      {"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400},
      {"a path out of the root", request_bytes("GET", "/../../etc/passwd"), 404},
      {"a path that is no text", request_bytes("GET", "/v1/users/%ff/facts"), 400},
      {"a NUL in a path", request_bytes("GET", "/v1/users/a%00b/facts"), 400},
      {"an expectation", request_bytes("POST", "/v1/feedback", "{}", {{"Expect", "tea"}}), 417},
      {"no body", chat_request(""), 400},
      {"bad JSON", chat_request(R"({"messages": [)"), 400},
      {"no object", chat_request("[]"), 400},
      {"10,000-deep JSON", chat_request(R"({"messages": )" + deep + "}"), 400},
      {"10,000-deep objects", chat_request([] {
         std::string text;
         for (int i = 0; i < 10'000; ++i) text += R"({"a":)";
         return text + "1" + std::string(10'000, '}');
       }()),
       400},
      {"invalid UTF-8",
       chat_request("{\"messages\": [{\"role\": \"user\", \"content\": \"\xff\xfe\"}]}"), 400},
      {"half a surrogate pair",
       chat_request(R"({"messages": [{"role": "user", "content": "\ud800"}]})"), 400},
      {"a NUL byte", chat_request(std::string("{\"messages\": []}\0", 17)), 400},
      {"a number too large", chat_request(R"({"temperature": 1e999})"), 400},
      {"a user's name that is too long",
       chat_request(R"({"messages": [{"role": "user", "content": "x"}], "user": ")" +
                    std::string(513, 'u') + "\"}"),
       400},
      {"a compressed body",
       request_bytes("POST", "/v1/feedback", "xx", {{"Content-Encoding", "gzip"}}), 415},
  };
  for (const RawCase& c : cases) {
    HttpConnection connection(server.port());
    connection.send(c.bytes);
    const Received answer = connection.read_response();
    EXPECT_EQ(answer.status, c.status) << c.behaviour << ": " << answer.body;
    EXPECT_TRUE(answer.whole) << c.behaviour;
    EXPECT_FALSE(answer.error("message").empty()) << c.behaviour;
    EXPECT_FALSE(answer.header("x-request-id").empty()) << c.behaviour;
  }
  expect_alive(server);
}

TEST(Hostile, ABodyTooLargeIsRefusedBeforeItIsRead) {
  TestServer server({"ok"});
  const std::string head =
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n";
  HttpConnection connection(server.port());
  connection.send(head);
  EXPECT_EQ(connection.read_response().status, 413) << "not a byte of it was sent";

  HttpConnection stubborn(server.port());
  stubborn.send(head);
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 100 && stubborn.send(piece); ++i) {
  }
  EXPECT_EQ(stubborn.read_response().status, 413) << "who sends all the same still learns why";
  expect_alive(server);
}

TEST(Hostile, AChunkedBodyIsBoundedToo) {
  TestServer server({"ok"}, {.max_body_bytes = 10'000});
  HttpConnection connection(server.port());
  connection.send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n");
  const std::string chunk = "3e8\r\n" + std::string(1000, 'x') + "\r\n";
  for (int i = 0; i < 20 && connection.send(chunk); ++i) {
  }
  EXPECT_EQ(connection.read_response().status, 413);
  expect_alive(server);
}

TEST(Hostile, TrailersCannotSayWhoAsks) {
  TestServer server({"ok"});
  const std::string body = say("I'm vegetarian, by the way.").dump();
  char size[16];
  snprintf(size, sizeof size, "%zx", body.size());
  HttpConnection connection(server.port());
  connection.send(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: "
      "chunked\r\n\r\n" +
      std::string(size) + "\r\n" + body + "\r\n0\r\nX-Rapport-User: sam\r\n\r\n");
  EXPECT_EQ(connection.read_response().status, 200);
  EXPECT_EQ(server.get("/v1/users/sam/facts").json()["data"].size(), 0u);
}

TEST(Hostile, ASlowClientIsToldAndDropped) {
  TestServer server({"ok"}, {.header_seconds = 0.1, .body_seconds = 0.1});
  HttpConnection slow_head(server.port());
  slow_head.send("GET /healthz HTTP/1.1\r\nHos");
  EXPECT_EQ(slow_head.read_response().status, 408);
  slow_head.finish_sending();
  EXPECT_EQ(slow_head.read_to_end(), "");
  HttpConnection slow_body(server.port());
  slow_body.send("POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_EQ(slow_body.read_response().status, 408);
  expect_alive(server);
}

TEST(Hostile, AnIdleConnectionIsClosedWithoutAWord) {
  TestServer server({"ok"}, {.idle_seconds = 0.1});
  HttpConnection connection(server.port());
  EXPECT_EQ(connection.read_to_end(), "");
  HttpConnection used(server.port());
  used.send(request_bytes("GET", "/healthz"));
  EXPECT_EQ(used.read_response().status, 200);
  EXPECT_EQ(used.read_to_end(), "");
}

TEST(Hostile, OneConnectionTooManyIsToldSo) {
  TestServer server({"ok"}, {.max_connections = 2});
  HttpConnection one(server.port()), two(server.port());
  for (HttpConnection* each : {&one, &two}) {
    each->send(request_bytes("GET", "/healthz"));
    EXPECT_EQ(each->read_response().status, 200);
  }
  HttpConnection three(server.port());
  const Received refused = three.read_response();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.header("connection"), "close");
  EXPECT_EQ(refused.header("retry-after"), "1");
  one.send(request_bytes("GET", "/healthz"));
  EXPECT_EQ(one.read_response().status, 200) << "those inside go on";
}

TEST(Hostile, AVanishedClientStopsItsGeneration) {
  for (const bool stream : {true, false}) {
    std::promise<void> stopped;
    std::optional<std::stop_callback<std::function<void()>>> on_stop;
    TestServer server([&](const language::GenerateRequest& request) -> ScriptedReply {
      on_stop.emplace(request.stop_token, [&] { stopped.set_value(); });
      return {.text = "one two three"};
    });
    server.model->hold_after(1);
    Json body = say("Hi");
    body["stream"] = stream;
    {
      HttpConnection connection(server.port());
      connection.send(chat_request(body.dump()));
      server.model->wait_until_held();
    }
    EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready)
        << "stream: " << stream;
    on_stop.reset();
    expect_alive(server);
  }
}

TEST(Hostile, AReaderThatStandsStillIsCutOff) {
  std::promise<void> stopped;
  std::optional<std::stop_callback<std::function<void()>>> on_stop;
  TestServer server(
      [&](const language::GenerateRequest& request) -> ScriptedReply {
        on_stop.emplace(request.stop_token, [&] { stopped.set_value(); });
        return {.pieces = std::vector<std::string>(4'000, std::string(10'000, 'x'))};  // 40 MB
      },
      {.max_stream_bytes = 100'000, .write_seconds = 0.2});
  HttpConnection connection(server.port(), /*receive_buffer=*/4'096);
  Json body = say("Hi");
  body["stream"] = true;
  connection.send(chat_request(body.dump()));
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  on_stop.reset();
  expect_alive(server);
  // What the kernel held comes, and then the end without the last chunk.
  EXPECT_FALSE(connection.read_response().whole);
}

TEST(Hostile, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server({"ok"});
  HttpConnection connection(server.port());
  connection.send(
      request_bytes("GET", "/healthz", "", {{"X-Request-Id", "1"}}) +
      request_bytes("POST", "/v1/chat/completions", say("Hi").dump(), {{"X-Request-Id", "2"}}) +
      request_bytes("GET", "/v1/nothing", "", {{"X-Request-Id", "3"}}) +
      request_bytes("HEAD", "/healthz", "", {{"X-Request-Id", "4"}}) +
      request_bytes("GET", "/healthz", "", {{"X-Request-Id", "5"}, {"Connection", "close"}}));
  const std::pair<const char*, int> expected[] = {
      {"1", 200}, {"2", 200}, {"3", 404}, {"4", 200}, {"5", 200}};
  for (const auto& [id, status] : expected) {
    const Received answer = connection.read_response(std::string(id) == "4");
    EXPECT_EQ(answer.header("x-request-id"), id);
    EXPECT_EQ(answer.status, status);
  }
  EXPECT_EQ(connection.read_to_end(), "");
}

TEST(Hostile, ManyAtOnceAreAllAnswered) {
  TestServer server({"ok"});
  std::vector<std::thread> clients;
  std::atomic<int> answered = 0;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&server, &answered, client] {
      HttpConnection connection(server.port());
      for (int i = 0; i < 10; ++i) {
        Json body = say("Hi");
        body["user"] = "user " + std::to_string(client);
        body["stream"] = i % 2 == 0;
        connection.send(chat_request(body.dump()));
        const Received answer = connection.read_response();
        if (answer.status == 200 && answer.whole) ++answered;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(answered, 80);
}

}  // namespace
}  // namespace rapport::testing
