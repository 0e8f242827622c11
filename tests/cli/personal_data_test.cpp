// The commands of users' keys, erasure, export and import, each on a home of the test's own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "run_command.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class PersonalDataCommands : public ::testing::Test {
 protected:
  Ran run(std::vector<std::string> words, const std::string& home = "home") {
    words.insert(words.begin(), {"--home", folder_.file(home)});
    return run_command({add_config, add_users, add_import, add_facts, add_keys, add_backup},
                       std::move(words));
  }
  Json json(std::vector<std::string> words, const std::string& home = "home") {
    words.emplace_back("--json");
    const Ran ran = run(words, home);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }
  std::size_t facts(const std::string& user, const std::string& home = "home") {
    return json({"facts", "list", user}, home)["facts"].size();
  }

  testing::TemporaryDirectory folder_;
};

TEST_F(PersonalDataCommands, AnErasureAsksForConfirmationAndLeavesAReceiptThatIsVerified) {
  json({"facts", "add", "sam", "xylophones are loud"});
  const Ran unconfirmed = run({"users", "erase", "sam"});
  EXPECT_EQ(unconfirmed.status, 1);
  EXPECT_THAT(unconfirmed.err, HasSubstr("--yes"));
  EXPECT_EQ(facts("sam"), 1u);

  const std::string file = folder_.file("receipt.json");
  const Json receipt = json({"users", "erase", "sam", "--yes", "--output", file});
  EXPECT_EQ(receipt["erased"]["facts"], 1);
  EXPECT_EQ(facts("sam"), 0u);
  for (const std::string& named : {file, receipt["id"].get<std::string>()}) {
    const Json verified = json({"users", "verify-erased", named, "--needle", "xylophones"});
    EXPECT_EQ(verified["erased"], true);
    EXPECT_EQ(verified["receipts"], 1);
  }
  // It would be found.
  std::ofstream(folder_.file("home") + "/notes.txt") << "xylophones are loud";
  EXPECT_THAT(run({"users", "verify-erased", file, "--needle", "xylophones"}).err,
              HasSubstr("notes.txt"));

  Json changed = receipt;
  changed["erased"]["facts"] = 2;
  std::ofstream(file) << changed;
  EXPECT_THAT(run({"users", "verify-erased", file}).err, HasSubstr("changed"));
  EXPECT_EQ(run({"users", "verify-erased", "erasure_unknown"}).status, 1);
  EXPECT_EQ(run({"users", "erase", "sam", "--yes"}).status, 1);
}

TEST_F(PersonalDataCommands, AnExportGoesToAnotherHome) {
  json({"facts", "add", "sam", "I'm vegetarian"});
  const std::string file = folder_.file("sam.zip");
  EXPECT_EQ(json({"users", "export", "sam", "--output", file})["path"], file);
  struct stat status = {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  EXPECT_EQ(json({"users", "import", file}, "other")["user"], "sam");
  EXPECT_EQ(facts("sam", "other"), 1u);
  EXPECT_EQ(run({"users", "import", file}, "other").status, 1) << "something is kept of sam";
  EXPECT_EQ(json({"users", "import", file, "--user", "kim"}, "third")["user"], "kim");
  EXPECT_EQ(facts("kim", "third"), 1u);
  EXPECT_EQ(run({"users", "export", "nobody", "--output", file}).status, 1);
}

TEST_F(PersonalDataCommands, ConversationsFromElsewhereAreImportedOnce) {
  const std::string file = folder_.file("conversations.json");
  std::ofstream(file) << R"([{"uuid": "c", "name": "Travel", "chat_messages": [
      {"uuid": "m", "sender": "human", "text": "I live in Oslo."}]}])";
  const std::vector<std::string> words = {"import", "--user", "sam", "--format", "claude", file};
  EXPECT_EQ(json(words)["turns"], 1);
  EXPECT_EQ(json(words)["turns"], 0);
  EXPECT_EQ(facts("sam"), 1u);
  EXPECT_THAT(run({"import", "--user", "sam", "--format", "mbox", file}).err, HasSubstr("mbox"));
  EXPECT_THAT(run({"import", "--user", "sam", "--format", "claude", file + "x"}).err,
              HasSubstr("cannot read"));
}

TEST_F(PersonalDataCommands, TheMasterKeyIsRotatedAndTheHomeOpens) {
  json({"facts", "add", "sam", "I'm vegetarian"});
  const auto master = folder_.file("home") + "/keys/master.key";
  std::ifstream before(master);
  std::string old;
  before >> old;
  for (const bool deep : {false, true}) {
    std::vector<std::string> words = {"keys", "rotate-master"};
    if (deep) words.emplace_back("--deep");
    EXPECT_EQ(json(words)["source"], "file");
    EXPECT_EQ(facts("sam"), 1u);
    std::string now;
    std::ifstream(master) >> now;
    EXPECT_NE(now, old);
    old = now;
  }
  EXPECT_THAT(run({"keys", "rotate-master", "--to", "environment"}).err,
              HasSubstr("RAPPORT_NEW_MASTER_KEY"));
  EXPECT_THAT(run({"keys", "rotate-master", "--to", "moon"}).err, HasSubstr("moon"));
  EXPECT_EQ(run({"keys", "rotate-master"}, "nowhere").status, 1);
  EXPECT_EQ(facts("sam"), 1u);
}

TEST_F(PersonalDataCommands, ABackupOfDatabaseAndKeysOpensOnAnotherMachineWithTheMasterKey) {
  json({"facts", "add", "sam", "I'm vegetarian"});
  const std::string keys = folder_.file("keys");
  for (const char* copy : {"one.db", "two.db"}) {
    json({"backup", folder_.file(copy), "--keys", keys});
  }
  EXPECT_FALSE(fs::exists(keys + "/master.key"));
  fs::create_directories(folder_.file("machine"));
  fs::copy(keys, folder_.file("machine") + "/keys");
  EXPECT_THAT(run({"restore", folder_.file("two.db")}, "machine").err, HasSubstr("master.key"));
  fs::copy_file(folder_.file("home") + "/keys/master.key",
                folder_.file("machine") + "/keys/master.key");
  ASSERT_EQ(run({"restore", folder_.file("two.db")}, "machine").status, 0);
  EXPECT_EQ(facts("sam", "machine"), 1u);
}

TEST_F(PersonalDataCommands, ABackupFromBeforeAnErasureDoesNotBringTheUserBack) {
  json({"facts", "add", "sam", "I'm vegetarian"});
  json({"facts", "add", "kim", "I live in Oslo"});
  const std::string copy = folder_.file("backup.db");
  json({"backup", copy});
  const Json receipt = json({"users", "erase", "sam", "--yes"});
  json({"restore", copy});
  EXPECT_EQ(json({"users", "list"})["users"].size(), 1u);
  EXPECT_EQ(facts("sam"), 0u);
  EXPECT_EQ(facts("kim"), 1u);
  json({"users", "verify-erased", receipt["id"]});
}

}  // namespace
}  // namespace rapport::cli
