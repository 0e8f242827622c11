// Taking all of a user along, and bringing it back.
#include "rapport/engine/archive.h"

#include <gmock/gmock.h>

#include "engine_fixture.h"
#include "rapport/base/digest.h"
#include "rapport/engine/erasure.h"
#include "rapport/engine/export_rows.h"
#include "settle.h"

namespace rapport::engine {
namespace {

using base::ZipEntry;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ArchiveTest : public EngineTest {
 protected:
  Archives archives() { return {*store_, *users_, data_, clock_}; }
  std::string exported(const std::string& user) {
    const auto zip = archives().export_user("default", user);
    EXPECT_TRUE(zip) << zip.error().message;
    return zip.value_or("");
  }
  Result<ImportedArchive> import(const std::string& user, std::string_view zip) {
    return archives().import_user("default", user, zip);
  }
  void erase(const std::string& user) {
    Eraser eraser(*store_, *user_keys_, data_, home_.path(), clock_);
    const auto receipt = eraser.erase(pseudonym(user));
    ASSERT_TRUE(receipt) << receipt.error().message;
  }
  bool keeps(const std::string& user) { return !store_->rows_of(pseudonym(user))->empty(); }
  /// A conversation of two turns; the whole of it, as a client sends it next.
  std::vector<std::string> talk(const std::string& user) {
    answered(request(user, "I'm vegetarian, by the way."));
    settle(*store_);
    return {"user: I'm vegetarian, by the way.", "assistant: All right.", "user: What to cook?"};
  }
  std::string with(const std::string& zip, const std::string& name,
                   const std::function<void(std::string&)>& change, bool honest = true) {
    std::vector<ZipEntry> files = *base::read_zip(zip);
    Json manifest = Json::parse(files[0].bytes);
    for (ZipEntry& file : files) {
      if (file.name != name) continue;
      change(file.bytes);
      for (Json& each : manifest["files"]) {
        if (each["name"] == name && honest) each["sha256"] = base::sha256(file.bytes);
      }
    }
    if (name != "manifest.json") files[0].bytes = manifest.dump();
    return *base::write_zip(files);
  }

  const PersonalData data_ = personal_data_of(home_.path());
};

TEST_F(ArchiveTest, ExportedErasedAndImportedAUserGetsTheSamePromptAndConversation) {
  const auto lines = talk("sam");
  ASSERT_TRUE(users_->patch_settings("default", "sam", {{"tone", "formal"}}));
  const std::string zip = exported("sam");
  const store::UserData before = *store_->user_data(pseudonym("sam"));
  erase("sam");
  ASSERT_FALSE(keeps("sam"));
  const auto imported = import("sam", zip);
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->at("turns"), 2);
  EXPECT_EQ(imported->at("facts"), 1);

  // What the next question gets is what it would have got: found by its beginning, in the same
  // conversation, with the same block.
  const Answer after = answered(conversation("sam", lines));
  EXPECT_EQ(after.conversation, before.conversations.at(0).id);
  EXPECT_THAT(last_prompt().front(), HasSubstr("vegetarian"));
  EXPECT_EQ(store_->turns(pseudonym("sam"), after.conversation, {})->size(), 4u);
}

TEST_F(ArchiveTest, TheArchiveIsTheSameAfterItWasImported) {
  talk("sam");
  const std::string zip = exported("sam");
  erase("sam");
  ASSERT_TRUE(import("sam", zip));
  const auto before = *base::read_zip(zip), after = *base::read_zip(exported("sam"));
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 1; i < before.size(); ++i) {  // the manifest has another time
    EXPECT_EQ(before[i].name, after[i].name);
    EXPECT_EQ(before[i].bytes, after[i].bytes) << before[i].name;
  }
}

TEST_F(ArchiveTest, EveryKindThatIsExportedIsImported) {
  talk("sam");
  const auto files = *base::read_zip(exported("sam"));
  std::size_t kinds = 0;
  for (const PersonalDataKind& kind : data_.kinds()) {
    if (kind.export_file.empty()) continue;
    ++kinds;
    EXPECT_TRUE(kind.to_export && kind.from_export) << kind.name;
  }
  EXPECT_EQ(files.size(), kinds + 1) << "and the manifest";
  const Json manifest = Json::parse(files[0].bytes);
  EXPECT_EQ(manifest["format"], "rapport-export");
  EXPECT_EQ(manifest["user"], "sam");
  const std::pair<std::string, std::string> owner{"default", "sam"};
  EXPECT_EQ(*archive_owner(exported("sam")), owner);
}

TEST_F(ArchiveTest, UnderAnotherNameTheConversationsAreFoundTooOnceTheFirstUserIsGone) {
  const auto lines = talk("sam");
  const std::string zip = exported("sam");
  EXPECT_EQ(import("kim", zip).error().code, ErrorCode::kConflict) << "the ids are sam's still";
  EXPECT_FALSE(keeps("kim"));
  erase("sam");
  ASSERT_TRUE(import("kim", zip));
  EXPECT_EQ(store_->turns(pseudonym("kim"), answered(conversation("kim", lines)).conversation, {})
                ->size(),
            4u);
}

TEST_F(ArchiveTest, AUserOfWhomSomethingIsKeptIsNotOverwritten) {
  talk("sam");
  const std::string zip = exported("sam");
  const auto refused = import("sam", zip);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_THAT(refused.error().message, HasSubstr("erase the user first"));
  EXPECT_EQ(archives().export_user("default", "nobody").error().code, ErrorCode::kNotFound);
}

TEST_F(ArchiveTest, WhatIsTruncatedTamperedOrForeignIsRefusedAndNothingIsHalfDone) {
  talk("sam");
  const std::string zip = exported("sam");
  erase("sam");
  const auto append = [](std::string& bytes) { bytes += "{}\n"; };
  const std::pair<std::string, const char*> cases[] = {
      {"", "zip"},
      {"no zip", "zip"},
      {zip.substr(0, zip.size() / 2), "zip"},
      {zip.substr(0, zip.size() - 10), "zip"},
      {*base::write_zip({{"a.txt", "a"}}), "manifest.json"},
      {with(zip, "facts.jsonl", append, /*honest=*/false), "facts.jsonl was changed"},
      {with(zip, "facts.jsonl", append), "facts.jsonl:2: needs a string as \"id\""},
      {with(zip, "turns.jsonl", [](std::string& bytes) { bytes.pop_back(); }), "cut off"},
      {with(zip, "facts.jsonl", [](std::string& bytes) { bytes.insert(1, "\"x\": 1, "); }),
       "unknown field \"x\""},
      {with(zip, "turns.jsonl",
            [](std::string& bytes) { bytes.replace(bytes.find("conv_"), 6, "conv_x"); }),
       "a conversation that is not in the archive"},
      {with(zip, "settings.json",
            [](std::string& bytes) { bytes = "{\"default\": {\"tone\": 7}}"; }),
       "settings.json"},
      {with(zip, "manifest.json", [](std::string& bytes) { bytes = "{}"; }), "manifest.json"}};
  int at = 0;
  for (const auto& [bytes, words] : cases) {
    SCOPED_TRACE(++at);
    const auto refused = import("sam", bytes);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr(words));
    EXPECT_FALSE(keeps("sam"));
  }
  const auto newer = import("sam", with(zip, "manifest.json", [](std::string& bytes) {
                              bytes.replace(bytes.find("\"version\": 1"), 12, "\"version\": 2");
                            }));
  EXPECT_EQ(newer.error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(import("sam", zip)) << "and the whole one is taken";
}

TEST_F(ArchiveTest, AnArchiveThatUnpacksToTooMuchIsRefused) {
  talk("sam");
  const std::string zip = exported("sam");
  erase("sam");
  EXPECT_EQ(archives().import_user("default", "sam", zip, {.max_bytes = 100}).error().code,
            ErrorCode::kTooLarge);
  EXPECT_EQ(archives().import_user("default", "sam", zip, {.max_entries = 3}).error().code,
            ErrorCode::kTooLarge);
}

TEST_F(ArchiveTest, AnswersThatWereAskedForAgainLeaveEveryWayToGoOn) {
  const auto turn = [&](std::int64_t index, const std::string& role, const std::string& text) {
    return store::Turn{.index = index,
                       .role = role,
                       .content = base::dump_json(language::ChatMessage::text(role, text).json)};
  };
  const auto hashes = prefix_hashes("u_1", {turn(0, "user", "Hi"), turn(1, "assistant", "one"),
                                            turn(1, "assistant", "two"), turn(2, "user", "More")});
  // After either answer, and after what followed on either.
  EXPECT_EQ(hashes.size(), 4u);
}

}  // namespace
}  // namespace rapport::engine
