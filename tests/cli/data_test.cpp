#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "run_command.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// `rapport data …` as main.cpp runs it, on files of the test's own.
class DataCommands : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> words) { return run_command({add_data}, with_home(words)); }
  Json json(std::vector<std::string> words) { return run_for_json({add_data}, with_home(words)); }
  std::vector<std::string> with_home(std::vector<std::string> words) {
    words.insert(words.begin(), {"--home", folder_.file("home"), "--quiet", "data"});
    return words;
  }
  /// Ten users, each with five of six items; user 0 twice with the first of hers.
  std::vector<std::string> prepare() {
    std::ofstream orders(folder_.file("orders.csv"));
    orders << "user_id,item_id,timestamp\n";
    for (int user = 0; user < 10; ++user)
      for (int item = 0; item < 5; ++item)
        orders << user << ",p" << (user + item) % 6 << ',' << 100 + item << '\n';
    orders << "0,p0,99\n";
    std::ofstream(folder_.file("people.csv")) << "user_id,gender\n0,F\n1,F\n2,M\n99,M\n";
    return {"prepare",
            "--format",
            "csv",
            "--interactions",
            folder_.file("orders.csv"),
            "--users",
            folder_.file("people.csv"),
            "--output",
            set()};
  }
  std::string set() { return folder_.file("shop"); }

  testing::TemporaryDirectory folder_;
};

TEST_F(DataCommands, PrepareSaysTheRowOfTable1AndWhatWasPassedOver) {
  const Ran ran = run(prepare());
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, StartsWith("shop: 10 users, 6 items, 50 interactions (5.0 a user"));
  EXPECT_THAT(ran.out, HasSubstr("51 interactions read\n"));
  EXPECT_THAT(ran.out, HasSubstr("1 interactions of a user with an item they had\n"));
  EXPECT_THAT(ran.out, HasSubstr("7 users without a description\n"));
  const Json again = json(prepare());
  EXPECT_EQ(again["users"], 10);
  EXPECT_EQ(again["notes"]["users described who did not interact with anything"], 1);
}

TEST_F(DataCommands, StatsAndSampleReadWhatPrepareWrote) {
  ASSERT_EQ(run(prepare()).status, 0);
  const Json found = json({"stats", set()});
  EXPECT_EQ(found["name"], "shop");
  EXPECT_EQ(found["interactions"], 50);
  EXPECT_EQ(found["groups"]["gender"]["F"], 2);
  EXPECT_THAT(run({"stats", set()}).out, HasSubstr("gender: F 2, M 1, unknown 7"));

  const Json sampled = json({"sample", set(), "--fraction", "0.5", "--strata", "gender",
                             "--min-per-stratum", "1", "--output", folder_.file("half")});
  EXPECT_EQ(sampled["users"], 5);
  EXPECT_EQ(sampled["strata"].size(), 3u);
  const Json half = json({"stats", folder_.file("half")});
  EXPECT_NEAR(half["users_represented"].get<double>(), 10, 1e-5) << "weights are single precision";
}

TEST_F(DataCommands, APipeAndAFolderThatCannotBeLookedIntoAreNamed) {
  const std::string pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Ran read = run({"prepare", "--format", "sequences", "--interactions", pipe, "--output",
                        folder_.file("from-pipe")});
  EXPECT_NE(read.status, 0);
  EXPECT_THAT(read.err, HasSubstr("no regular file"));
  const std::string long_name = "/" + std::string(300, 'x');
  const Ran opened = run({"stats", folder_.file("") + long_name});
  EXPECT_NE(opened.status, 0);
  EXPECT_THAT(opened.err, HasSubstr("too long"));
}

TEST_F(DataCommands, AFailureIsOneLineAndLeavesWhatWasThere) {
  ASSERT_EQ(run(prepare()).status, 0);
  const Json before = json({"stats", set()});
  std::vector<std::string> broken = prepare();
  std::ofstream(folder_.file("orders.csv"), std::ios::app) << "3,p1,yesterday\n";
  const Ran refused = run(broken);
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.out, "");
  EXPECT_THAT(refused.err, HasSubstr("orders.csv:53: timestamp is \"yesterday\""));
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1);
  EXPECT_EQ(json({"stats", set()})["checksum"], before["checksum"]);

  EXPECT_EQ(run({"stats", folder_.file("nowhere")}).status, 1);
  EXPECT_EQ(run({"prepare", "--format", "netflix", "--interactions", "x", "--output", "y"}).status,
            1);
  EXPECT_EQ(run({"sample", set(), "--strata", "sex", "--output", folder_.file("s")}).status, 1);
  EXPECT_EQ(run({"prepare"}).status, 2);
  EXPECT_EQ(run({"sample", set(), "--fraction", "2", "--output", "y"}).status, 2);
  EXPECT_THAT(run({"prepare", "--help"}).out, HasSubstr("Example:"));
}

}  // namespace
}  // namespace rapport::cli
