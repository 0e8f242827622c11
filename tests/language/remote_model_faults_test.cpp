// A remote model whose upstream fails, whose caller leaves, or that is closed under way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "remote_model_fixture.h"

namespace rapport::language {
namespace {

using rapport::testing::Gate;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class RemoteModelFaultsTest : public RemoteModelFixture {};

// What goes wrong.

TEST_F(RemoteModelFaultsTest, NonsenseIsTheUpstreamsFault) {
  struct Case {
    const char* behaviour;
    std::string body;
    const char* said;
  };
  const Case cases[] = {
      {"a page of HTML", "<html><body>Welcome</body></html>", "broke off"},
      {"nothing", "", "with nothing"},
      {"a stream that breaks off", text_chunk("a"), "broke off"},
      {"half an event", text_chunk("a") + "data: {\"choi", "broke off"},
      {"an event that is no JSON", text_chunk("a") + event("{]") + kDone, "stream: byte"},
      {"an event that is no object", event("[1]") + kDone, "an event is no object"},
      {"text that is no string", chunk(R"({"content":{"a":1}})") + kDone, "content is no string"},
      {"choices that are no array", event(R"({"choices":{"a":1}})") + kDone, "choices is no array"},
      {"a tool call from nowhere", chunk(R"({"tool_calls":[{"index":7}]})") + kDone,
       "tool call 7 is out of order"},
      {"an error in the stream", text_chunk("a") + event(R"({"error":{"message":"overheated"}})"),
       "overheated"},
      {"an error instead of an answer", R"({"error":"overheated"})", "no choices"},
      {"JSON that breaks off", R"({"choices":[)", "the upstream's answer: byte"},
      {"deep JSON", event(std::string(10'000, '[')), "nested"},
  };
  for (const Case& c : cases) {
    const auto answer = answer_of(stream(c.body));
    ASSERT_FALSE(answer) << c.behaviour;
    EXPECT_EQ(answer.error().code, ErrorCode::kUpstream) << c.behaviour;
    EXPECT_THAT(answer.error().message, HasSubstr(c.said)) << c.behaviour;
    EXPECT_EQ(requests_, 1u) << c.behaviour << ": an answer that began is not asked for again";
  }
}

TEST_F(RemoteModelFaultsTest, AnUpstreamsErrorKeepsItsMeaning) {
  struct Case {
    int status;
    const char* body;
    ErrorCode code;
    const char* message;
    const char* param;
    const char* reason;
  };
  const Case cases[] = {
      {400, R"({"error":{"message":"bad","type":"x","param":"top_p","code":"wrong"}})",
       ErrorCode::kInvalidArgument, "bad", "top_p", "wrong"},
      {400, R"({"error":{"message":"too long","param":null,"code":"context_length_exceeded"}})",
       ErrorCode::kInvalidArgument, "too long", "", "context_length_exceeded"},
      {404, R"({"error":{"message":"no such model","code":"model_not_found"}})",
       ErrorCode::kNotFound, "no such model", "", "model_not_found"},
      {422, R"({"detail":"messages: field required"})", ErrorCode::kInvalidArgument,
       "messages: field required", "", ""},
      {400, R"({"object":"error","message":"older style","code":40001})",
       ErrorCode::kInvalidArgument, "older style", "", ""},
      {400, R"({"error":"as a string"})", ErrorCode::kInvalidArgument, "as a string", "", ""},
      {400, "<html>", ErrorCode::kInvalidArgument, "the upstream answered HTTP 400", "", ""},
      {413, R"({"error":{"message":"large"}})", ErrorCode::kTooLarge, "large", "", ""},
      {429, R"({"error":{"message":"slow down","code":"rate_limit_exceeded"}})",
       ErrorCode::kRateLimited, "the upstream answered HTTP 429: slow down", "",
       "rate_limit_exceeded"},
      {500, R"({"error":{"message":"oops"}})", ErrorCode::kUpstream,
       "the upstream answered HTTP 500: oops", "", ""},
      {504, "", ErrorCode::kTimeout, "the upstream answered HTTP 504", "", ""},
      {418, "{}", ErrorCode::kUpstream, "the upstream answered HTTP 418", "", ""},
  };
  for (const Case& c : cases) {
    const auto answer =
        answer_of(respond(c.status, c.body), [](RemoteOptions& options) { options.retries = 0; });
    ASSERT_FALSE(answer) << c.body;
    EXPECT_EQ(answer.error().code, c.code) << c.body;
    EXPECT_EQ(answer.error().message, c.message) << c.body;
    EXPECT_EQ(answer.error().param, c.param) << c.body;
    EXPECT_EQ(answer.error().reason, c.reason) << c.body;
  }
}

TEST_F(RemoteModelFaultsTest, ARefusedKeyIsTheOperatorsAffairAndIsNotQuoted) {
  for (const int status : {401, 403}) {
    const auto answer = answer_of(
        respond(status, R"({"error":{"message":"Incorrect API key: sk-test-0123456789"}})"));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, ErrorCode::kUpstream);
    EXPECT_THAT(answer.error().message,
                AllOf(HasSubstr("set language.remote.api_key"), Not(HasSubstr("0123456789"))));
    EXPECT_EQ(requests_, 1u);
  }
}

TEST_F(RemoteModelFaultsTest, ARedirectIsNotFollowed) {
  const auto answer = answer_of(respond(308, "", {{"location", "http://127.0.0.1:1/"}}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUpstream);
  EXPECT_THAT(answer.error().message, HasSubstr("language.remote.base_url"));
}

TEST_F(RemoteModelFaultsTest, TriesAgainBeforeTheFirstByte) {
  const auto reset = [](const LoopbackRequest&, LoopbackPeer& peer) { peer.reset(); };
  const LoopbackServer::Handler passing[] = {respond(500, ""), respond(503, "{}"),
                                             respond(429, "", {{"retry-after", "0"}}),
                                             respond(408, ""), reset};
  for (const LoopbackServer::Handler& fault : passing) {
    const auto answer = answer_of(in_turn({fault, fault, stream(kHello)}));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->text, "Hello");
    EXPECT_EQ(requests_, 3u);
  }
}

TEST_F(RemoteModelFaultsTest, DoesNotTryAgainWhatCannotHelpOrHasBegun) {
  const auto break_off = [](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk(text_chunk("Hel"));
    peer.reset();
  };
  const LoopbackServer::Handler lasting[] = {
      respond(400, ""), respond(404, ""), respond(401, ""),
      respond(429, R"({"error":{"message":"pay","code":"insufficient_quota"}})"), break_off};
  for (const LoopbackServer::Handler& fault : lasting) {
    EXPECT_FALSE(answer_of(in_turn({fault, stream(kHello)})));
    EXPECT_EQ(requests_, 1u);
  }
}

TEST_F(RemoteModelFaultsTest, GivesUpAfterItsRetriesWithTheLastError) {
  const auto answer = answer_of(in_turn({respond(500, ""), respond(502, ""), respond(503, "")}));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("HTTP 503"));
  EXPECT_EQ(requests_, 3u);
}

TEST_F(RemoteModelFaultsTest, NobodyListeningIsTheUpstreamsFault) {
  const rapport::testing::RefusingPort port;
  RemoteOptions options = options_for(port.url("/v1"));
  const auto model = RemoteModel::create(options, http_, clock_, random_).value();
  const auto answer = generate_and_wait(*model, ask());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUpstream);
}

TEST_F(RemoteModelFaultsTest, ALongRetryAfterGoesToTheCaller) {
  const auto answer = answer_of(respond(429, "", {{"Retry-After", "120"}}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kRateLimited);
  EXPECT_EQ(answer.error().retry_after, seconds(120));
  EXPECT_EQ(requests_, 1u);

  // The manual clock stands at 2023-11-14 22:13:20 UTC.
  const auto at_a_date =
      answer_of(respond(503, "", {{"Retry-After", "Tue, 14 Nov 2023 22:15:00 GMT"}}));
  ASSERT_FALSE(at_a_date);
  EXPECT_EQ(at_a_date.error().retry_after, seconds(100));

  for (const char* nonsense : {"soon", "", "1.5", "Tue, 99 Nov"}) {
    const auto unclear = answer_of(respond(429, "", {{"Retry-After", nonsense}}),
                                   [](RemoteOptions& options) { options.retries = 0; });
    ASSERT_FALSE(unclear);
    EXPECT_FALSE(unclear.error().retry_after) << nonsense;
  }
}

TEST_F(RemoteModelFaultsTest, ASilentUpstreamIsATimeout) {
  const auto silent =
      answer_of([](const LoopbackRequest&, LoopbackPeer& peer) { peer.wait_for_client_to_leave(); },
                [](RemoteOptions& options) { options.first_byte_timeout_ms = 30; });
  ASSERT_FALSE(silent);
  EXPECT_EQ(silent.error().code, ErrorCode::kTimeout);
  EXPECT_EQ(requests_, 1u);

  const auto stalled = answer_of(
      [](const LoopbackRequest&, LoopbackPeer& peer) {
        peer.begin_stream(200);
        peer.send_chunk(text_chunk("Hel"));
        peer.wait_for_client_to_leave();
      },
      [](RemoteOptions& options) { options.idle_timeout_ms = 30; });
  ASSERT_FALSE(stalled);
  EXPECT_EQ(stalled.error().code, ErrorCode::kTimeout);
}

// The circuit breaker.

TEST_F(RemoteModelFaultsTest, AfterFailuresInARowTheUpstreamIsLeftAloneForAWhile) {
  std::atomic<bool> works = false;
  const LoopbackServer server([&](const LoopbackRequest& request, LoopbackPeer& peer) {
    works ? stream(kHello)(request, peer) : respond(500, "")(request, peer);
  });
  const auto model = model_for(server, [](RemoteOptions& options) {
    options.retries = 0;
    options.breaker_failures = 3;
    options.breaker_open_seconds = 30;
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(generate_and_wait(*model, ask()).error().code, ErrorCode::kUpstream);
  }
  const auto refused = generate_and_wait(*model, ask());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().retry_after, seconds(30));
  EXPECT_EQ(server.requests().size(), 3u);

  clock_.advance(seconds(30));  // a probe, which fails
  EXPECT_EQ(generate_and_wait(*model, ask()).error().code, ErrorCode::kUpstream);
  EXPECT_EQ(generate_and_wait(*model, ask()).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(server.requests().size(), 4u);

  clock_.advance(seconds(30));  // a probe, which works
  works = true;
  EXPECT_TRUE(generate_and_wait(*model, ask()));
  EXPECT_TRUE(generate_and_wait(*model, ask()));
}

TEST_F(RemoteModelFaultsTest, OnlyAFailingUpstreamOpensTheBreaker) {
  const auto with_breaker = [](RemoteOptions& options) {
    options.retries = 0;
    options.breaker_failures = 2;
  };
  for (const int status : {400, 401, 404, 429}) {
    const LoopbackServer server(respond(status, ""));
    const auto model = model_for(server, with_breaker);
    for (int i = 0; i < 4; ++i) EXPECT_FALSE(generate_and_wait(*model, ask()));
    EXPECT_EQ(server.requests().size(), 4u) << status;
  }
  const LoopbackServer server(in_turn({respond(500, ""), stream(kHello), respond(500, "")}));
  const auto model = model_for(server, with_breaker);
  for (int i = 0; i < 3; ++i) (void)generate_and_wait(*model, ask());
  EXPECT_EQ(generate_and_wait(*model, ask()).error().code, ErrorCode::kUpstream)
      << "failures on both sides of an answer are not in a row";
}

TEST_F(RemoteModelFaultsTest, OneProbeAtATimeGoesThrough) {
  Gate gate;
  const LoopbackServer server(
      in_turn({respond(500, ""), [&](const LoopbackRequest& request, LoopbackPeer& peer) {
                 if (peer.wait(gate)) stream(kHello)(request, peer);
               }}));
  const auto model = model_for(server, [](RemoteOptions& options) {
    options.retries = 0;
    options.breaker_failures = 1;
    options.breaker_open_seconds = 5;
  });
  EXPECT_FALSE(generate_and_wait(*model, ask()));
  clock_.advance(seconds(5));
  std::promise<Result<Completion>> probe;
  model->generate(ask(), {.on_delta = {}, .on_done = [&](Result<Completion> done) {
                            probe.set_value(std::move(done));
                          }});
  ASSERT_TRUE(server.wait_for_requests(2));
  EXPECT_EQ(generate_and_wait(*model, ask()).error().code, ErrorCode::kUnavailable);
  gate.open();
  EXPECT_TRUE(probe.get_future().get());
  EXPECT_TRUE(generate_and_wait(*model, ask()));
}

// Who goes away.

TEST_F(RemoteModelFaultsTest, CancellingClosesTheConnectionAndKeepsWhatThereIs) {
  std::promise<bool> left;
  const LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.begin_stream(200);
    peer.send_chunk(text_chunk("Hel"));
    left.set_value(peer.wait_for_client_to_leave());
  });
  std::stop_source stop;
  GenerateRequest request = ask();
  request.stop_token = stop.get_token();
  const auto answer =
      generate_and_wait(*model_for(server), request, [&](const Delta&) { stop.request_stop(); });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(answer->text, "Hel");
  EXPECT_TRUE(left.get_future().get());
}

TEST_F(RemoteModelFaultsTest, CancellingWorksBeforeTheAnswerAndBetweenAttempts) {
  std::stop_source stop;
  GenerateRequest request = ask();
  request.stop_token = stop.get_token();
  {
    const LoopbackServer server([&](const LoopbackRequest&, LoopbackPeer& peer) {
      stop.request_stop();
      peer.wait_for_client_to_leave();
    });
    const auto answer = generate_and_wait(*model_for(server), request);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->finish_reason, FinishReason::kCancelled);

    const auto late = generate_and_wait(*model_for(server), request);
    ASSERT_TRUE(late) << late.error().message;
    EXPECT_EQ(late->finish_reason, FinishReason::kCancelled);
    EXPECT_EQ(server.requests().size(), 1u) << "a request that is cancelled is not sent";
  }

  std::stop_source while_waiting;
  request.stop_token = while_waiting.get_token();
  const LoopbackServer server(respond(500, "", {{"Retry-After", "600"}}));
  const auto model = model_for(server, [](RemoteOptions& options) {
    options.backoff_max_ms = 600'000;  // it would try again in ten minutes
  });
  std::promise<Result<Completion>> promise;
  model->generate(request, {.on_delta = {}, .on_done = [&](Result<Completion> done) {
                              promise.set_value(std::move(done));
                            }});
  ASSERT_TRUE(server.wait_for_requests(1));
  while_waiting.request_stop();
  const auto answer = promise.get_future().get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->finish_reason, FinishReason::kCancelled);
}

TEST_F(RemoteModelFaultsTest, OnDoneComesThoughModelOrClientGoesFirst) {
  const auto stall = [](const LoopbackRequest&, LoopbackPeer& peer) {
    peer.wait_for_client_to_leave();
  };
  for (const LoopbackServer::Handler& handler :
       {LoopbackServer::Handler(stall), respond(500, "", {{"Retry-After", "600"}})}) {
    for (const bool model_first : {true, false}) {
      const LoopbackServer server(handler);
      auto http = std::make_unique<base::HttpClient>();
      RemoteOptions options = options_for(server.url("/v1"));
      options.backoff_max_ms = 600'000;
      auto model = RemoteModel::create(options, *http, clock_, random_).value();
      std::promise<Result<Completion>> promise;
      auto done = promise.get_future();
      model->generate(ask(), {.on_delta = {}, .on_done = [&](Result<Completion> result) {
                                promise.set_value(std::move(result));
                              }});
      ASSERT_TRUE(server.wait_for_requests(1));
      if (model_first) {
        model.reset();
        EXPECT_EQ(done.get().value().finish_reason, FinishReason::kCancelled);
      } else {
        http.reset();
        EXPECT_EQ(done.get().value().finish_reason, FinishReason::kCancelled);
        model.reset();
      }
    }
  }
}

}  // namespace
}  // namespace rapport::language
