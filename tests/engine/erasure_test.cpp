// Forgetting a user altogether, with a proof.
#include "rapport/engine/erasure.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "engine_fixture.h"
#include "rapport/base/files.h"
#include "rapport/engine/erasure_watch.h"
#include "rapport/engine/recommend.h"
#include "rapport/store/restore_backup.h"
#include "rapport/store/sealed_columns.h"
#include "settle.h"

namespace rapport::engine {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

class ErasureTest : public EngineTest {
 protected:
  ErasureTest() { data_.add(prompt_cache_kind(model_)); }
  Eraser eraser() { return {*store_, *user_keys_, data_, home_.path(), clock_}; }
  Json erased(const std::string& user) {
    const auto receipt = eraser().erase(pseudonym(user));
    EXPECT_TRUE(receipt) << receipt.error().message;
    return receipt.value_or(Json::object());
  }
  void talk(const std::string& user) {
    answered(request(user, "I'm vegetarian, by the way."));
    settle(*store_);
    ASSERT_TRUE(users_->patch_settings("default", user, {{"tone", "formal"}}));
  }
  bool keeps(const std::string& user) {
    return !store_->rows_of(pseudonym(user))->empty() || user_keys_->to_open(pseudonym(user));
  }

  PersonalData data_ = personal_data_of(home_.path());
};

std::vector<std::string> tables_of(const PersonalData& data) {
  std::vector<std::string> tables = impersonal_tables();
  for (const PersonalDataKind& kind : data.kinds()) {
    tables.insert(tables.end(), kind.tables.begin(), kind.tables.end());
  }
  return tables;
}

TEST_F(ErasureTest, EveryTableOfTheSchemaHasAKindOfData) {
  const auto raw = *store::sqlite::Connection::open(home_.file("rapport.db"),
                                                    store::sqlite::Access::kReadOnly, 1'000);
  auto rows = *raw->prepare("SELECT name FROM sqlite_master WHERE type = 'table'");
  const auto stored = *rows.all(
      [](const store::sqlite::Statement& row) -> Result<std::string> { return row.text(0); });
  EXPECT_THAT(tables_of(data_), UnorderedElementsAreArray(stored));
}

TEST_F(ErasureTest, EveryFileOfAUsedHomeHasAKindOfData) {
  talk("sam");
  // What a restore and an update leave.
  ASSERT_TRUE(store_->backup(home_.file("backup.tmp")));
  fs::rename(home_.file("backup.tmp"), home_.file("rapport.db.before-restore"));
  erased("sam");
  std::vector<std::string> known = impersonal_files();
  for (const PersonalDataKind& kind : data_.kinds()) {
    known.insert(known.end(), kind.files.begin(), kind.files.end());
  }
  int files = 0;
  for (const auto& file : fs::recursive_directory_iterator(home_.path())) {
    if (!file.is_regular_file()) continue;
    const std::string path = file.path().lexically_relative(home_.path());
    EXPECT_TRUE(matches(known, path)) << path << " belongs to no kind of data";
    ++files;
  }
  EXPECT_GE(files, 6);
  EXPECT_FALSE(matches(known, "notes.txt")) << "the test would not see a new kind of file";
}

TEST_F(ErasureTest, NothingIsLeftOfTheUserAndAllOfTheOthers) {
  talk("sam");
  talk("kim");
  const auto kims = *store_->rows_of(pseudonym("kim"));
  const Json receipt = erased("sam");
  EXPECT_FALSE(keeps("sam"));
  EXPECT_EQ(*store_->rows_of(pseudonym("kim")), kims);
  EXPECT_EQ(users_->facts("default", "kim", false)->size(), 1u);
  EXPECT_TRUE(model_.forgotten()) << "prompts were kept in memory";

  EXPECT_EQ(receipt["user"], pseudonym("sam"));
  EXPECT_EQ(receipt["erased"]["facts"], 1);
  EXPECT_EQ(receipt["erased"]["turns"], 2);
  EXPECT_EQ(receipt["erased"]["explanations"], 1);
  EXPECT_EQ(receipt["shared_artefacts"], Json::array());
  EXPECT_EQ(eraser().receipt(receipt["id"])->dump(), receipt.dump());
}

TEST_F(ErasureTest, OfWhomNothingIsKeptNothingIsErased) {
  talk("sam");
  EXPECT_EQ(eraser().erase(pseudonym("nobody")).error().code, ErrorCode::kNotFound);
  erased("sam");
  EXPECT_EQ(eraser().erase(pseudonym("sam")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(user_keys_->erasures()->size(), 1u);
}

TEST_F(ErasureTest, AUserWhoWasAnsweredAtDegreeZeroIsErasedToo) {
  ChatRequest generic = request("sam", "Hello");
  generic.degree = profile::Degree::kGeneric;
  answered(generic);
  ASSERT_TRUE(keeps("sam"));
  EXPECT_EQ(erased("sam")["erased"]["explanations"], 1);
  EXPECT_FALSE(keeps("sam"));
}

TEST_F(ErasureTest, AnAnswerThatWasUnderWayDoesNotBringTheUserBack) {
  talk("sam");
  const auto late = answered_while(request("sam", "I live in Oslo"), [&] { erased("sam"); });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kConflict);
  EXPECT_EQ(late.error().reason, "user_erased");
  EXPECT_FALSE(keeps("sam"));

  answered(request("sam", "Hello again"));
  EXPECT_TRUE(keeps("sam")) << "what begins afterwards makes a new user";
  EXPECT_THAT(*users_->facts("default", "sam", true), IsEmpty());
}

TEST_F(ErasureTest, KilledBetweenAnyTwoStepsItIsCompletedByTheNextStart) {
  // A kind whose functions stop the erasure, as a kill does, at each place where one can.
  for (const std::string at : {"key", "rows", "erase", "scan"}) {
    SCOPED_TRACE(at);
    talk("sam");
    ASSERT_TRUE(keeps("sam"));
    PersonalData stopping = personal_data_of(home_.path());
    if (at == "key") {
      ASSERT_TRUE(user_keys_->begin_erasure(pseudonym("sam")));
    } else if (at == "rows") {
      const auto begun = user_keys_->begin_erasure(pseudonym("sam"));
      ASSERT_TRUE(store_->erase_user(pseudonym("sam"), begun->seq));
    } else {
      PersonalDataKind killed{.name = "killed"};
      const auto stop = [](const store::UserId&) -> Result<std::int64_t> {
        return fail(ErrorCode::kIo, "killed");
      };
      (at == "erase" ? killed.erase : killed.scan) = stop;
      stopping.add(killed);
      Eraser dying(*store_, *user_keys_, stopping, home_.path(), clock_);
      EXPECT_FALSE(dying.erase(pseudonym("sam")));
    }
    EXPECT_EQ(user_keys_->unfinished_erasures()->size(), 1u);
    EXPECT_EQ(*eraser().complete(), 1);
    EXPECT_FALSE(keeps("sam"));
    EXPECT_THAT(*user_keys_->unfinished_erasures(), IsEmpty());
    const auto last = user_keys_->erasures()->back();
    const Json receipt = *eraser().receipt(last.id);
    EXPECT_TRUE(eraser().verify(receipt));
    EXPECT_EQ(receipt["erased"]["facts"], 1) << "what was erased before the kill counts";
    EXPECT_EQ(*eraser().complete(), 0);
  }
}

TEST_F(ErasureTest, ABackupFromBeforeDoesNotBringTheUserBack) {
  talk("sam");
  talk("kim");
  const std::string backup = home_.file("backup.db");
  ASSERT_TRUE(store_->backup(backup));
  erased("sam");

  responder_.reset();
  users_.reset();
  store_.reset();
  user_keys_.reset();
  ASSERT_TRUE(store::restore_backup(backup, home_.file("rapport.db")));
  auto home = store::HomeStore::open(home_.path(), {}, clock_, random_);
  ASSERT_TRUE(home) << home.error().message;
  user_keys_ = std::move(home->user_keys);
  store_ = std::move(home->store);
  users_ = std::make_unique<Users>(*store_, *keys_, clock_, random_);

  EXPECT_EQ(store_->user(pseudonym("sam")).error().code, ErrorCode::kCorrupt)
      << "what is there of the user is unreadable";
  EXPECT_EQ(store_->users("", {})->size(), 2u) << "and hurts nobody else";
  EXPECT_EQ(*eraser().complete(), 1);
  EXPECT_FALSE(keeps("sam"));
  EXPECT_EQ(users_->facts("default", "kim", false)->size(), 1u);
  EXPECT_EQ(*eraser().complete(), 0);
}

TEST_F(ErasureTest, AReceiptIsVerifiedAndATamperedOrUnknownOneRefused) {
  talk("sam");
  talk("kim");
  const Json sams = erased("sam"), kims = erased("kim");
  EXPECT_EQ(sams["previous"], "");
  EXPECT_EQ(kims["previous"], sams["hash"]);
  for (const Json& receipt : {sams, kims}) {
    const auto verified = eraser().verify(receipt);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_FALSE(verified->came_back);
    EXPECT_EQ(verified->receipts, 2);
  }

  Json changed = sams;
  changed["erased"]["facts"] = 9;
  EXPECT_EQ(eraser().verify(changed).error().code, ErrorCode::kCorrupt);
  changed["hash"] = receipt_hash(changed);
  EXPECT_THAT(eraser().verify(changed).error().message, HasSubstr("not the one that was issued"));
  Json unknown = sams;
  unknown["id"] = "erasure_unknown";
  unknown["hash"] = receipt_hash(unknown);
  EXPECT_EQ(eraser().verify(unknown).error().code, ErrorCode::kNotFound);
  for (const Json& none : {Json(), Json::array(), Json::object(), Json{{"id", 7}}}) {
    EXPECT_EQ(eraser().verify(none).error().code, ErrorCode::kInvalidArgument) << none.dump();
  }
}

TEST_F(ErasureTest, AReceiptOfAUserWhoCameBackSaysSo) {
  talk("sam");
  const Json receipt = erased("sam");
  talk("sam");
  const auto verified = eraser().verify(receipt);
  ASSERT_TRUE(verified) << verified.error().message;
  EXPECT_TRUE(verified->came_back);
}

TEST_F(ErasureTest, WhatIsLeftOfTheUserIsFoundByTheVerification) {
  talk("sam");
  const Json receipt = erased("sam");
  std::ofstream(home_.file("notes.txt")) << "about " << pseudonym("sam");
  EXPECT_THAT(eraser().verify(receipt).error().message, HasSubstr("notes.txt"));
  fs::remove(home_.file("notes.txt"));
  // A row that an older program, or a hand, put there.
  const auto raw = *store::sqlite::Connection::open(home_.file("rapport.db"),
                                                    store::sqlite::Access::kReadWrite, 1'000);
  ASSERT_TRUE(
      raw->execute("INSERT INTO traces VALUES ('r', '" + pseudonym("sam") + "', NULL, x'', 1)"));
  EXPECT_THAT(eraser().verify(receipt).error().message, HasSubstr("1 rows of traces"));
}

TEST_F(ErasureTest, AnErasedReceiptBreaksTheChain) {
  for (const char* user : {"sam", "kim", "lee"}) {
    talk(user);
    erased(user);
  }
  const Json last = *eraser().receipt(user_keys_->erasures()->back().id);
  ASSERT_TRUE(eraser().verify(last));
  const auto raw = *store::sqlite::Connection::open(home_.file("keys/users.db"),
                                                    store::sqlite::Access::kReadWrite, 1'000);
  ASSERT_TRUE(raw->execute("DELETE FROM erasures WHERE place = 2"));
  EXPECT_THAT(eraser().verify(last).error().message, HasSubstr("chain"));
}

TEST_F(ErasureTest, TextsAreFoundInFilesAlsoAcrossTheirPieces) {
  fs::create_directory(home_.path() / "models");
  std::ofstream file(home_.path() / "models" / "large", std::ios::binary);
  const std::string needle = "xylophone-canary";
  file << std::string((1 << 20) - 7, '.') << needle << std::string(100, '.');
  file.close();
  EXPECT_THAT(*files_with(home_.path(), needle), ElementsAre(HasSubstr("models/large")));
  EXPECT_THAT(*files_with(home_.path(), needle + "s"), IsEmpty());
  EXPECT_FALSE(files_with(home_.path(), ""));
}

TEST_F(ErasureTest, AServerNoticesWhatAnotherProcessErased) {
  talk("sam");
  Attribution attribution;
  data_.add(attribution_kind(attribution));
  attribution.remember(pseudonym("sam"), "rec_1", {"50"}, clock_.now());
  attribution.remember(pseudonym("kim"), "rec_2", {"50"}, clock_.now());
  Eraser server = eraser();
  ErasureWatch watch(*user_keys_, server);
  {
    // The command: a home of its own, with nothing in memory.
    const auto command = store::HomeStore::open(home_.path(), {}, clock_, random_);
    ASSERT_TRUE(command);
    const PersonalData stored = personal_data_of(home_.path());
    ASSERT_TRUE(Eraser(*command->store, *command->user_keys, stored, home_.path(), clock_)
                    .erase(pseudonym("sam")));
  }
  watch.look();
  EXPECT_EQ(attribution.shown_by(pseudonym("sam"), "50", clock_.now()), "");
  EXPECT_EQ(attribution.shown_by(pseudonym("kim"), "50", clock_.now()), "rec_2");
  talk("sam");
  EXPECT_EQ(users_->facts("default", "sam", false)->size(), 1u) << "sealed with a new key";
}

}  // namespace
}  // namespace rapport::engine
