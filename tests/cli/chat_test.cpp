// `rapport chat` over a remote model, which a test can play.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "rapport/base/json.h"
#include "run_command.h"
#include "testing/loopback_server.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;

class ChatCommand : public ::testing::Test {
 protected:
  /// What it prints when these lines are typed.
  std::string chat(const std::string& typed, std::vector<const char*> flags) {
    std::vector<std::string> words = {"--home", home_.file("home"),
                                      "--set",  "language.backend=remote",
                                      "--set",  "language.remote.base_url=" + upstream_.url("/v1"),
                                      "--set",  "language.remote.model=played",
                                      "chat",   "--user",
                                      "sam"};
    words.insert(words.end(), flags.begin(), flags.end());
    const Ran ran = run_command({add_chat}, std::move(words), typed);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.out;
  }

  testing::TemporaryDirectory home_;
  testing::LoopbackServer upstream_{[](const auto&, testing::LoopbackPeer& peer) {
    peer.respond(200, R"({"choices": [{"index": 0, "message": {"role": "assistant",
        "content": "All right."}, "finish_reason": "stop"}]})");
  }};
};

TEST_F(ChatCommand, AnswersAndSaysWhy) {
  const std::string said = chat("I'm vegan\n/why\n/facts\n/rate 5\n/generic\nHi\n/why\n", {});
  EXPECT_THAT(said, HasSubstr("All right.\n"));
  EXPECT_THAT(said, HasSubstr("fact     I'm vegan"));
  EXPECT_THAT(said, HasSubstr("noted"));
  EXPECT_THAT(said, HasSubstr("This answer is generic: the request asked for degree 0"));
}

TEST_F(ChatCommand, WithJsonEveryLineIsADocument) {
  std::istringstream lines(
      chat("/why\nI'm vegan\n/why\n/facts\n/rate 4\n/generic\n/help\n", {"--json"}));
  std::vector<Json> said;
  for (std::string line; std::getline(lines, line);) {
    auto json = base::parse_json(line, "line");
    ASSERT_TRUE(json) << line;
    said.push_back(*std::move(json));
  }
  ASSERT_EQ(said.size(), 7u);
  EXPECT_TRUE(said[0].is_null());
  EXPECT_EQ(said[1]["text"], "All right.");
  EXPECT_EQ(said[2]["used"]["facts"][0]["text"], "I'm vegan");
  EXPECT_EQ(said[3]["facts"][0]["value"], "vegan");
  EXPECT_EQ(said[4]["rating"], 4);
  EXPECT_EQ(said[5]["generic"], true);
}

}  // namespace
}  // namespace rapport::cli
