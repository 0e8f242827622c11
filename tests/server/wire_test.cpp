#include "rapport/server/wire.h"

#include <gtest/gtest.h>

namespace rapport::server {
namespace {

struct HeadCase {
  const char* behaviour;
  RawHead head;
  int status;  // of the refusal; 0: goes on
};

TEST(ParseHead, RefusesWhatTwoReadersCouldReadInTwoWays) {
  const HeadCase cases[] = {
      {"a plain GET", {"GET", "/a", true, {{"Host", "x"}}}, 0},
      {"HTTP/1.0 needs no Host", {"GET", "/a", false, {}}, 0},
      {"HTTP/1.1 does", {"GET", "/a", true, {}}, 400},
      {"two Hosts", {"GET", "/a", true, {{"Host", "x"}, {"host", "y"}}}, 400},
      {"two keys",
       {"GET", "/a", true, {{"Host", "x"}, {"Authorization", "a"}, {"AUTHORIZATION", "b"}}},
       400},
      {"two users",
       {"GET", "/a", true, {{"Host", "x"}, {"X-Rapport-User", "a"}, {"x-rapport-user", "b"}}},
       400},
      {"other headers may repeat",
       {"GET", "/a", true, {{"Host", "x"}, {"Accept", "a"}, {"Accept", "b"}}},
       0},
      {"chunked", {"POST", "/a", true, {{"Host", "x"}, {"Transfer-Encoding", "Chunked"}}}, 0},
      {"gzip, chunked",
       {"POST", "/a", true, {{"Host", "x"}, {"Transfer-Encoding", "gzip, chunked"}}},
       501},
      {"chunked, identity",
       {"POST", "/a", true, {{"Host", "x"}, {"Transfer-Encoding", "chunked, identity"}}},
       501},
      {"not chunked at all",
       {"POST", "/a", true, {{"Host", "x"}, {"Transfer-Encoding", "xchunked"}}},
       501},
      {"an empty Transfer-Encoding",
       {"POST", "/a", true, {{"Host", "x"}, {"Transfer-Encoding", ""}}},
       501},
      {"twice",
       {"POST",
        "/a",
        true,
        {{"Host", "x"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}},
       400},
      {"with a length",
       {"POST",
        "/a",
        true,
        {{"Host", "x"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "3"}}},
       400},
      {"in HTTP/1.0", {"POST", "/a", false, {{"Transfer-Encoding", "chunked"}}}, 400},
      {"a compressed body",
       {"POST", "/a", true, {{"Host", "x"}, {"Content-Encoding", "gzip"}}},
       415},
      {"a strange expectation", {"POST", "/a", true, {{"Host", "x"}, {"Expect", "tea"}}}, 417},
      {"the usual expectation",
       {"POST", "/a", true, {{"Host", "x"}, {"Expect", "100-Continue"}}},
       0},
      {"a target without slash", {"GET", "a", true, {{"Host", "x"}}}, 400},
      {"* of OPTIONS", {"OPTIONS", "*", true, {{"Host", "x"}}}, 0},
      {"* of GET", {"GET", "*", true, {{"Host", "x"}}}, 400},
      {"a broken query", {"GET", "/a?b=%zz", true, {{"Host", "x"}}}, 400},
  };
  for (const HeadCase& c : cases) {
    const ParsedHead parsed = parse_head(c.head);
    EXPECT_EQ(parsed.refusal ? parsed.refusal->status : 0, c.status) << c.behaviour;
  }
}

TEST(ParseHead, ReadsTargetQueryAndHeaders) {
  const ParsedHead parsed =
      parse_head({"GET",
                  "http://proxy.example/v1/users/a%2Fb/facts?x=%20y&x=2&empty",
                  true,
                  {{"HOST", "h"}, {"Accept", "a"}, {"Accept", "b"}, {"Expect", "100-continue"}}});
  ASSERT_FALSE(parsed.refusal);
  EXPECT_EQ(parsed.request.path, "/v1/users/a%2Fb/facts") << "stays encoded for the router";
  EXPECT_EQ(parsed.request.query, (std::map<std::string, std::string>{{"x", " y"}, {"empty", ""}}));
  EXPECT_EQ(parsed.request.header("accept"), "a, b");
  EXPECT_TRUE(parsed.expects_continue);
}

TEST(PercentCoding, IsItsOwnInverseForAnyText) {
  for (const std::string text : {"sam", "a/b c%d+e", "Grüße, 世界 🙂", "", "~-._"})
    EXPECT_EQ(percent_decode(percent_encode(text)), text);
}

TEST(PercentDecode, RefusesWhatIsNoText) {
  for (const char* text : {"%", "%4", "%zz", "%00", "%0a", "%ff", "%c3", "%ed%a0%80"})
    EXPECT_FALSE(percent_decode(text)) << text;
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b", true), "a b");
}

TEST(RequestId, TakesTheClientsOwnOnlyWhenItIsHarmless) {
  EXPECT_TRUE(is_request_id("Ab.9_-"));
  EXPECT_TRUE(is_request_id(std::string(128, 'a')));
  for (const std::string& text : {std::string(), std::string(129, 'a'), std::string("a b"),
                                  std::string("a\n"), std::string("é")})
    EXPECT_FALSE(is_request_id(text)) << text;
}

TEST(ResponseHead, NeverLetsAValueStartAHeader) {
  HttpResponse response{.headers = {{"x-rapport-conversation", "a\r\nSet-Cookie: b"}}};
  const std::string head = response_head(response, {.length = 2, .request_id = "r"});
  EXPECT_EQ(head.find("\r\nSet-Cookie"), std::string::npos) << head;
  EXPECT_NE(head.find("content-length: 2\r\n"), std::string::npos);
  EXPECT_NE(head.find("x-request-id: r\r\n"), std::string::npos);
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const auto head = [](int status, HeadOptions options) {
    return response_head({.status = status}, options);
  };
  EXPECT_NE(head(200, {.framing = Framing::kChunked}).find("transfer-encoding: chunked"),
            std::string::npos);
  const std::string old =
      head(200, {.framing = Framing::kUntilClose, .http_1_1 = false, .keep_alive = false});
  EXPECT_TRUE(old.starts_with("HTTP/1.0 200 OK\r\n"));
  EXPECT_EQ(old.find("transfer-encoding"), std::string::npos);
  EXPECT_NE(old.find("connection: close"), std::string::npos);
  EXPECT_EQ(head(204, {}).find("content-length"), std::string::npos);
}

TEST(Chunk, IsFramedByItsSizeInHexadecimal) {
  EXPECT_EQ(chunk(std::string(26, 'x')), "1a\r\n" + std::string(26, 'x') + "\r\n");
  EXPECT_EQ(chunk(""), "") << "an empty chunk would end the body";
}

TEST(HttpDate, IsRfc9110s) {
  EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace rapport::server
