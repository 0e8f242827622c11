// What is SQLite's own: the file, its mode, what it holds in clear, what is refused.
#include "rapport/store/sqlite_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "plain_text_codec.h"
#include "rapport/base/files.h"
#include "rapport/store/sqlite_connection.h"
#include "sealing_codec.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

using sqlite::Access;
using sqlite::Connection;
using ::testing::HasSubstr;
using ::testing::Not;

class SqliteStoreTest : public ::testing::Test {
 protected:
  SqliteOptions options() const {
    return {.path = path_, .index_key = std::string(32, 'k'), .busy_timeout_ms = 20};
  }
  template <typename Codec = PlainTextCodec>
  Result<std::unique_ptr<Store>> open(const SqliteOptions& options) {
    return SqliteStore::open(options, std::make_shared<Codec>(), clock_, random_);
  }
  template <typename Codec = PlainTextCodec>
  std::unique_ptr<Store> store() {
    return value_of(open<Codec>(options()));
  }
  std::unique_ptr<Connection> raw() {
    return value_of(Connection::open(path_, Access::kReadWrite, 1'000));
  }
  /// All that lies on disk: the database and its log.
  std::string bytes_on_disk() const {
    std::string bytes;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
      bytes += value_of(base::read_file(file.path()));
    }
    return bytes;
  }

  testing::TemporaryDirectory folder_;
  const std::string path_ = folder_.file("rapport.db");
  base::ManualClock clock_;
  base::SeededRandom random_{7};
};

TEST_F(SqliteStoreTest, TheFilesAreTheirOwnersOnly) {
  const auto opened = store();
  ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  int files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    struct stat status = {};
    ASSERT_EQ(::stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u) << file.path();
    ++files;
  }
  EXPECT_EQ(files, 3) << "database, log and its shared memory";
}

TEST_F(SqliteStoreTest, AnOptionOutOfBoundsIsNamed) {
  const std::tuple<const char*, SqliteOptions> cases[] = {
      {"path", {.path = "", .index_key = std::string(32, 'k')}},
      {"index_key", {.path = path_}},
      {"index_key", {.path = path_, .index_key = std::string(65, 'k')}},
      {"synchronous", {path_, std::string(32, 'k'), "off"}},
      {"busy_timeout_ms", {path_, std::string(32, 'k'), "full", -1}},
      {"readers", {path_, std::string(32, 'k'), "full", 0, 0}},
      {"readers", {path_, std::string(32, 'k'), "full", 0, 65}},
  };
  for (const auto& [option, bad] : cases) {
    const auto refused = open(bad);
    ASSERT_TRUE(fails(refused, ErrorCode::kInvalidArgument, option));
    EXPECT_EQ(refused.error().param, option);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(SqliteStoreTest, SynchronousFullIsAnOption) {
  SqliteOptions full = options();
  full.synchronous = "full";
  const auto opened = value_of(open(full));
  EXPECT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
}

TEST_F(SqliteStoreTest, APathThatLooksLikeAUriIsAPath) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  SqliteOptions odd = options();
  odd.path = "file:odd.db?mode=memory";
  EXPECT_TRUE(ok(open(odd)));
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(folder_.path() / odd.path));
}

TEST_F(SqliteStoreTest, WhatIsNoDatabaseIsRefusedAndLeftAlone) {
  const std::string text = "dear diary, " + std::string(5000, 'x');
  ASSERT_TRUE(ok(base::write_file_atomically(path_, text)));
  EXPECT_TRUE(fails(open(options()), ErrorCode::kCorrupt, path_));
  EXPECT_TRUE(fails(open(options()), ErrorCode::kCorrupt, "rapport restore"));
  EXPECT_EQ(value_of(base::read_file(path_)), text);
}

TEST_F(SqliteStoreTest, ADamagedDatabaseIsRefusedWhenItIsOpenedOrRead) {
  {
    const auto opened = store();
    ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  }
  const std::string whole = value_of(base::read_file(path_));
  const auto refused = [&]() -> Result<User> {
    TRY(const auto opened, open(options()));
    return opened->user("u_1");
  };
  ASSERT_TRUE(ok(refused()));

  ASSERT_TRUE(ok(base::write_file_atomically(path_, whole.substr(0, 4096))));
  EXPECT_TRUE(fails(refused(), ErrorCode::kCorrupt, path_));
  std::string scribbled = whole;
  for (std::size_t at = 4096; at < scribbled.size(); at += 7) scribbled[at] = '\xff';
  ASSERT_TRUE(ok(base::write_file_atomically(path_, scribbled)));
  EXPECT_TRUE(fails(refused(), ErrorCode::kCorrupt, path_));
}

TEST_F(SqliteStoreTest, AFolderThatIsMissingIsNamed) {
  SqliteOptions lost = options();
  lost.path = folder_.file("no/such/rapport.db");
  EXPECT_TRUE(fails(open(lost), ErrorCode::kIo, "no/such/rapport.db"));
}

TEST_F(SqliteStoreTest, AnotherKeyRingIsRefused) {
  store();
  SqliteOptions other = options();
  other.index_key = std::string(32, 'o');
  EXPECT_TRUE(fails(open(other), ErrorCode::kInvalidArgument, "key ring"));
  EXPECT_TRUE(ok(open(options())));
}

TEST_F(SqliteStoreTest, OpenedByManyAtOnceANewDatabaseIsMadeOnce) {
  SqliteOptions patient = options();
  patient.busy_timeout_ms = 10'000;
  std::vector<Result<User>> users(4, fail(ErrorCode::kInternal, "not tried"));
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < users.size(); ++i) {
      threads.emplace_back([&, i] {
        auto opened = open(patient);
        users[i] = opened ? (*opened)->ensure_user("u_" + std::to_string(i), "default", "sam")
                          : Result<User>(fail(opened.error()));
      });
    }
  }
  for (const auto& user : users) EXPECT_TRUE(ok(user));
  EXPECT_EQ(value_of(store()->users("", {})).size(), users.size());
}

TEST_F(SqliteStoreTest, AWriteThatWaitedTooLongSaysForWhatAndWritesNothing) {
  const auto opened = store();
  ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  const auto other_program = raw();
  ASSERT_TRUE(ok(other_program->execute("BEGIN IMMEDIATE")));

  const auto busy = opened->change_settings("u_1", becomes({{"default", {{"tone", "warm"}}}}));
  EXPECT_TRUE(fails(busy, ErrorCode::kUnavailable, path_));
  EXPECT_EQ(busy.error().reason, "database_busy");
  EXPECT_TRUE(busy.error().retry_after);
  EXPECT_EQ(value_of(opened->settings("u_1")), Json::object()) << "readers do not wait";

  ASSERT_TRUE(ok(other_program->execute("COMMIT")));
  EXPECT_TRUE(ok(opened->change_settings("u_1", becomes({{"default", {{"tone", "warm"}}}}))));
}

TEST_F(SqliteStoreTest, TwoStoresOnOneFileSeeEachOthersWrites) {
  const auto server = store(), command = store();
  ASSERT_TRUE(ok(server->ensure_user("u_1", "default", "sam")));
  EXPECT_EQ(value_of(command->user("u_1")).name, "sam");
  ASSERT_TRUE(ok(command->record_exchange(sample_exchange("u_1", "conv_1", 0))));
  EXPECT_EQ(value_of(server->turns("u_1", "conv_1", {})).size(), 2u);
}

constexpr const char* kCanary = "xylophone-canary";

/// The canary in every place that holds personal text.
void plant_canary(Store& store) {
  const std::string canary = kCanary;
  ASSERT_TRUE(ok(store.ensure_user("u_1", "default", canary)));
  Exchange exchange = sample_exchange("u_1", "conv_1", 0);
  exchange.conversation.name = canary;
  for (Turn& turn : exchange.turns) turn.content = canary;
  exchange.prefix_hashes = {canary};
  exchange.settings = becomes({{"default", {{"instructions", canary}}}});
  exchange.facts = {sample_fact("u_1", "fact_1")};
  exchange.facts[0].text = exchange.facts[0].attribute = canary;
  exchange.facts[0].value = exchange.facts[0].evidence = canary;
  exchange.trace->data = {{"prompt", canary}};
  exchange.jobs = {sample_job("job_1"), sample_job("job_2")};
  exchange.jobs[0].user = "u_1";
  exchange.jobs[0].payload = exchange.jobs[1].payload = {{"words", canary}};
  ASSERT_TRUE(ok(store.record_exchange(exchange)));
  ASSERT_TRUE(ok(store.add_events({{.id = "evt_1",
                                    .user = "u_1",
                                    .kind = "reason",
                                    .response_id = "resp_0",
                                    .data = {{"text", canary}}}})));
  Job job = *value_of(store.claim_job({"observe"}, std::chrono::seconds(60)));
  job.error = canary;
  ASSERT_TRUE(ok(store.update_job(job)));
  ASSERT_TRUE(
      ok(store.add_key({.id = "key_1", .digest = "digest_1", .user = "u_1", .user_name = canary})));
  ASSERT_TRUE(ok(store.add_interactions({{.id = "act_1", .user = "u_1", .item = canary}})));
}

TEST_F(SqliteStoreTest, NoPersonalTextIsInTheFilesPastTheCodec) {
  auto opened = store<SealingCodec>();
  plant_canary(*opened);
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
  EXPECT_EQ(value_of(opened->turns("u_1", "conv_1", {})).at(0).content, kCanary);
  EXPECT_TRUE(value_of(opened->conversation_by_name("u_1", kCanary)));
  EXPECT_TRUE(value_of(opened->conversation_by_prefix("u_1", {kCanary})));
  opened.reset();  // the log goes into the database
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr(kCanary)));
}

TEST_F(SqliteStoreTest, TheSearchForCanariesFindsThemWithoutACodec) {
  auto opened = store();
  plant_canary(*opened);
  EXPECT_THAT(bytes_on_disk(), HasSubstr(kCanary));
}

TEST_F(SqliteStoreTest, ForgottenAndDeletedTextIsNotInTheFiles) {
  const auto opened = store();
  ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  Exchange exchange = sample_exchange("u_1", "conv_1", 0);
  exchange.turns[0].content = "marimba-turn" + std::string(10'000, '.');  // on overflow pages too
  exchange.facts = {sample_fact("u_1", "fact_1")};
  exchange.facts[0].text = exchange.facts[0].evidence = "xylophone-fact";
  ASSERT_TRUE(ok(opened->record_exchange(exchange)));
  ASSERT_THAT(bytes_on_disk(), HasSubstr("marimba-turn"));

  ASSERT_TRUE(ok(opened->forget_fact("u_1", "fact_1")));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr("xylophone-fact")));
  ASSERT_TRUE(ok(opened->delete_conversation("u_1", "conv_1")));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr("marimba-turn")));

  ASSERT_TRUE(ok(opened->add_interactions({{.id = "act_1", .user = "u_1", .item = "theremin"}})));
  ASSERT_THAT(bytes_on_disk(), HasSubstr("theremin"));
  ASSERT_TRUE(ok(opened->delete_interaction("u_1", "act_1")));
  EXPECT_THAT(bytes_on_disk(), Not(HasSubstr("theremin")));
}

TEST_F(SqliteStoreTest, ATextMovedToAnotherRowIsRefusedByTheCodec) {
  const auto opened = store<SealingCodec>();
  for (const char* name : {"sam", "kim"}) {
    ASSERT_TRUE(ok(opened->ensure_user(std::string("u_") + name, "default", name)));
  }
  ASSERT_TRUE(
      ok(raw()->execute("UPDATE users SET name = (SELECT name FROM users WHERE id = 'u_kim') "
                        "WHERE id = 'u_sam'")));
  EXPECT_TRUE(fails(opened->user("u_sam"), ErrorCode::kCorrupt, "u_sam"));
  EXPECT_TRUE(ok(opened->user("u_kim")));
}

TEST_F(SqliteStoreTest, AStoredDocumentThatIsNoJsonIsNamed) {
  const auto opened = store();
  ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  ASSERT_TRUE(ok(opened->change_settings("u_1", becomes({{"default", {{"tone", "warm"}}}}))));
  ASSERT_TRUE(ok(raw()->execute("UPDATE settings SET document = CAST('{' AS BLOB)")));
  EXPECT_TRUE(fails(opened->settings("u_1"), ErrorCode::kCorrupt, "settings.document of u_1"));
}

// As versions before this one wrote them.
TEST_F(SqliteStoreTest, AnItemThatWasHiddenByTwoRowsIsShownAgainWhenOneIsDeleted) {
  const auto opened = store();
  ASSERT_TRUE(ok(opened->ensure_user("u_1", "default", "sam")));
  Interaction hide{.id = "act_1", .user = "u_1", .catalogue = "films"};
  hide.kind = InteractionKind::kHide;
  hide.item = "8";
  ASSERT_TRUE(ok(opened->add_interactions({hide})));
  ASSERT_TRUE(ok(raw()->execute(
      "INSERT INTO interactions (id, user, catalogue, kind, item, response_id, created) "
      "SELECT 'act_2', user, catalogue, kind, item, response_id, created FROM interactions")));
  ASSERT_TRUE(ok(opened->delete_interaction("u_1", "act_2")));
  EXPECT_TRUE(value_of(opened->item_history("u_1", "films", 10)).hidden.empty());
}

}  // namespace
}  // namespace rapport::store
