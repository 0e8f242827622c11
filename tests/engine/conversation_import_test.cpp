// Conversations that a user had with ChatGPT and Claude.
#include "rapport/engine/conversation_import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <sstream>

#include "engine_fixture.h"
#include "rapport/base/zip.h"
#include "rapport/engine/exported_conversation.h"

namespace rapport::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json chatgpt_node(const std::string& id, const std::string& parent, const std::string& role,
                  const std::string& text, double created = 1'700'000'000.5) {
  return {{"id", id},
          {"message",
           {{"id", id},
            {"author", {{"role", role}, {"metadata", Json::object()}}},
            {"create_time", created},
            {"content", {{"content_type", "text"}, {"parts", {text}}}},
            {"status", "finished_successfully"}}},
          {"parent", parent.empty() ? Json() : Json(parent)},
          {"children", Json::array()}};
}

/// As ChatGPT exports it: a tree with a branch that was left, a system message, a picture.
Json chatgpt() {
  Json root = chatgpt_node("root", "", "system", "");
  root["message"] = nullptr;
  Json picture = chatgpt_node("n3", "n2", "user", "");
  picture["message"]["content"] = {
      {"content_type", "multimodal_text"},
      {"parts", {{{"content_type", "image_asset_pointer"}}, "I'm vegetarian, by the way."}}};
  Json tool = chatgpt_node("n4", "n3", "tool", "{\"results\": []}");
  return {{"title", "Dinner"},
          {"create_time", 1'700'000'000.0},
          {"update_time", 1'700'000'100.0},
          {"mapping",
           {{"root", root},
            {"n1", chatgpt_node("n1", "root", "user", "What to cook?")},
            {"left", chatgpt_node("left", "n1", "assistant", "A steak.")},
            {"n2", chatgpt_node("n2", "n1", "assistant", "I'm vegan myself. Tofu.")},
            {"n3", picture},
            {"n4", tool},
            {"n5", chatgpt_node("n5", "n4", "assistant", "Then lentils.")}}},
          {"current_node", "n5"},
          {"conversation_id", "c-1"}};
}

Json claude_message(const std::string& id, const std::string& sender, const std::string& text) {
  return {{"uuid", id},
          {"text", text},
          {"content", Json::array({{{"type", "text"}, {"text", text}}})},
          {"sender", sender},
          {"created_at", "2024-01-15T10:30:00.250000Z"},
          {"attachments", Json::array()}};
}

Json claude() {
  return {{"uuid", "c-2"},
          {"name", "Travel"},
          {"created_at", "2024-01-15T10:29:00Z"},
          {"updated_at", "2024-01-15T10:31:00Z"},
          {"account", {{"uuid", "a-1"}}},
          {"chat_messages", Json::array({claude_message("m1", "human", "I live in Oslo."),
                                         claude_message("m2", "assistant", "Lovely city.")})}};
}

class ConversationImportTest : public EngineTest {
 protected:
  Result<ImportedConversations> import(ConversationFormat format, const std::string& bytes,
                                       const std::string& user = "sam") {
    ConversationImporter importer(*store_, *users_, profile::Degree::kMemory, random_);
    return importer.import("default", user, format, std::string_view(bytes));
  }
  ImportedConversations imported(ConversationFormat format, const Json& conversations) {
    const auto done = import(format, conversations.dump());
    EXPECT_TRUE(done) << done.error().message;
    return done.value_or(ImportedConversations{});
  }
  std::vector<std::string> log_of_only_conversation() {
    const auto all = *store_->conversations(pseudonym("sam"), {});
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? std::vector<std::string>{} : log_of("sam", all[0].id);
  }
};

TEST_F(ConversationImportTest, TheBranchThatEndedTheChatIsTheConversation) {
  const auto done = imported(ConversationFormat::kChatGpt, Json::array({chatgpt()}));
  EXPECT_EQ(done.conversations, 1);
  EXPECT_EQ(done.begun, 1);
  EXPECT_EQ(done.turns, 4);
  EXPECT_THAT(log_of_only_conversation(),
              ElementsAre("user: What to cook?", "assistant: I'm vegan myself. Tofu.",
                          "user: I'm vegetarian, by the way.", "assistant: Then lentils."));
  const auto conversation = store_->conversations(pseudonym("sam"), {})->at(0);
  EXPECT_EQ(conversation.name, "Dinner");
  EXPECT_EQ(conversation.created, 1'700'000'000'000);
  EXPECT_EQ(store_->turns(pseudonym("sam"), conversation.id, {})->at(0).created, 1'700'000'000'500);
}

TEST_F(ConversationImportTest, ClaudesConversationsComeInTheirOrder) {
  EXPECT_EQ(imported(ConversationFormat::kClaude, Json::array({claude()})).turns, 2);
  EXPECT_THAT(log_of_only_conversation(),
              ElementsAre("user: I live in Oslo.", "assistant: Lovely city."));
  const auto conversation = store_->conversations(pseudonym("sam"), {})->at(0);
  EXPECT_EQ(store_->turns(pseudonym("sam"), conversation.id, {})->at(0).created, 1'705'314'600'250);
}

TEST_F(ConversationImportTest, WhatTheUserSaidIsLearntAndWhatTheAssistantSaidIsNot) {
  EXPECT_EQ(imported(ConversationFormat::kChatGpt, Json::array({chatgpt()})).facts, 1);
  const auto facts = *users_->facts("default", "sam", true);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].value, "vegetarian");
  EXPECT_EQ(facts[0].valid_from, 1'700'000'000'500);
}

TEST_F(ConversationImportTest, WhatIsKnownSinceIsNotSupersededByWhatWasSaidLongAgo) {
  clock_.advance(std::chrono::hours(24));
  answered(request("sam", "I'm vegan, by the way."));
  imported(ConversationFormat::kChatGpt, Json::array({chatgpt()}));
  const auto facts = *users_->facts("default", "sam", false);
  ASSERT_EQ(facts.size(), 1u);
  EXPECT_EQ(facts[0].value, "vegan");
}

TEST_F(ConversationImportTest, TheSameFileAgainAddsNothingAndALaterOneWhatIsNew) {
  imported(ConversationFormat::kChatGpt, Json::array({chatgpt()}));
  const auto again = imported(ConversationFormat::kChatGpt, Json::array({chatgpt()}));
  EXPECT_EQ(again.conversations, 1);
  EXPECT_EQ(again.begun + again.turns + again.facts, 0);

  Json later = chatgpt();
  later["mapping"]["n6"] = chatgpt_node("n6", "n5", "user", "And dessert?");
  later["current_node"] = "n6";
  const auto more = imported(ConversationFormat::kChatGpt, Json::array({later}));
  EXPECT_EQ(more.turns, 1);
  EXPECT_EQ(more.begun, 0);
  EXPECT_EQ(log_of_only_conversation().back(), "user: And dessert?");
  // Another user's import of the same file is another conversation.
  ASSERT_TRUE(import(ConversationFormat::kChatGpt, Json::array({chatgpt()}).dump(), "kim"));
  EXPECT_EQ(store_->conversations(pseudonym("kim"), {})->size(), 1u);
}

TEST_F(ConversationImportTest, AClientThatGoesOnIsFoundByTheConversationsBeginning) {
  imported(ConversationFormat::kClaude, Json::array({claude()}));
  const std::string id = store_->conversations(pseudonym("sam"), {})->at(0).id;
  const Answer answer = answered(conversation(
      "sam", {"user: I live in Oslo.", "assistant: Lovely city.", "user: What to see?"}));
  EXPECT_EQ(answer.conversation, id);
}

TEST_F(ConversationImportTest, TheArchiveIsReadAsItWasDownloaded) {
  const std::string zip =
      *base::write_zip({{"user.json", "{}"},
                        {"chat.html", "<html>"},
                        {"export/conversations.json", Json::array({chatgpt()}).dump()}});
  const auto done = import(ConversationFormat::kChatGpt, zip);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->turns, 4);
  const auto without = import(ConversationFormat::kChatGpt, *base::write_zip({{"a", "b"}}));
  EXPECT_EQ(without.error().code, ErrorCode::kNotFound);
}

TEST_F(ConversationImportTest, AtDegreeZeroNothingIsImportedAndAtOneNoFact) {
  ASSERT_TRUE(users_->patch_settings("default", "sam", {{"degree", 0}}));
  const std::string file = Json::array({chatgpt()}).dump();
  EXPECT_EQ(import(ConversationFormat::kChatGpt, file).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(users_->patch_settings("default", "sam", {{"degree", 1}}));
  const auto done = import(ConversationFormat::kChatGpt, file);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->turns, 4);
  EXPECT_EQ(done->facts, 0);
}

TEST_F(ConversationImportTest, WhatIsNotAnExportIsRefusedByTheFieldAndMakesNobodyKnown) {
  const auto changed = [](const std::function<void(Json&)>& change) {
    Json json = chatgpt();
    change(json);
    return Json::array({json}).dump();
  };
  const std::pair<std::string, const char*> cases[] = {
      {"", "conversations.json"},
      {"{}", "must be an array"},
      {"[7]", "conversation 1"},
      {"[{}]", "\"id\" must be a string"},
      {Json::array({chatgpt()}).dump().substr(0, 300), "not JSON, or cut off"},
      {changed([](Json& json) { json.erase("mapping"); }), "\"mapping\""},
      {changed([](Json& json) { json["current_node"] = "nowhere"; }), "\"current_node\""},
      {changed([](Json& json) { json["create_time"] = "yesterday"; }), "\"create_time\""},
      {changed([](Json& json) { json["mapping"]["root"]["parent"] = "n5"; }), "circle"},
      {changed([](Json& json) { json["mapping"]["n5"]["message"].erase("author"); }), "\"author\""},
  };
  for (const auto& [file, words] : cases) {
    const auto refused = import(ConversationFormat::kChatGpt, file);
    ASSERT_FALSE(refused) << words;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr(words));
    EXPECT_TRUE(store_->rows_of(pseudonym("sam"))->empty());
  }
  Json claudes = claude();
  claudes["chat_messages"][0]["created_at"] = "15 January";
  EXPECT_THAT(import(ConversationFormat::kClaude, Json::array({claudes}).dump()).error().message,
              HasSubstr("\"created_at\""));
}

TEST_F(ConversationImportTest, AnErrorOnTheWayKeepsWhatCameBeforeItAndSaysWhere) {
  Json second = chatgpt();
  second["conversation_id"] = "c-9";
  second.erase("mapping");
  const auto refused =
      import(ConversationFormat::kChatGpt, Json::array({chatgpt(), second}).dump());
  EXPECT_THAT(refused.error().message, HasSubstr("conversation 2"));
  EXPECT_EQ(log_of_only_conversation().size(), 4u);
}

}  // namespace
}  // namespace rapport::engine
