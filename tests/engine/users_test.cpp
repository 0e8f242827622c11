#include "rapport/engine/users.h"

#include "engine_fixture.h"

namespace rapport::engine {
namespace {

class UsersTest : public EngineTest {
 protected:
  Error feedback_refused(const Json& feedback) {
    const auto event = users_->add_feedback("default", "sam", feedback);
    EXPECT_FALSE(event) << feedback.dump();
    return event ? Error{} : event.error();
  }
};

TEST_F(UsersTest, NobodyIsMadeByLookingAtThem) {
  EXPECT_EQ(*users_->settings("default", "sam"), profile::Settings{});
  EXPECT_TRUE(users_->facts("default", "sam", true)->empty());
  EXPECT_EQ(users_->find("default", "sam").error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(users_->patch_settings("default", "sam", {{"tone", "direct"}}));
  EXPECT_EQ(users_->find("default", "sam")->name, "sam");
}

TEST_F(UsersTest, AddingAFactTwiceGivesTheOneThatIsThere) {
  const auto first = users_->add_fact("default", "sam", "I'm vegetarian", "");
  ASSERT_TRUE(first) << first.error().message;
  for (const char* again : {"I'm vegetarian", "I am a vegetarian"}) {
    const auto second = users_->add_fact("default", "sam", again, "");
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(second->id, first->id) << again;
  }
  EXPECT_EQ(users_->facts("default", "sam", true)->size(), 1u);
}

TEST_F(UsersTest, AFactIsCorrectedUnderItsId) {
  const auto fact = users_->add_fact("default", "sam", "I live in Paris", "");
  const auto patched = users_->patch_fact("default", "sam", fact->id, {{"text", "I live in Lyon"}});
  ASSERT_TRUE(patched) << patched.error().message;
  EXPECT_EQ(patched->id, fact->id);
  EXPECT_EQ(patched->value, "Lyon");
  EXPECT_EQ(users_->patch_fact("default", "sam", fact->id, {{"status", "disputed"}})->status,
            store::FactStatus::kDisputed);
  struct Refused {
    Json patch;
    const char* param;
  };
  for (const Refused& c :
       {Refused{{{"txt", "x"}}, "txt"}, Refused{{{"confidence", 2}}, "confidence"},
        Refused{{{"status", "forgotten"}}, "status"}, Refused{{{"text", 3}}, "text"}}) {
    const auto refused = users_->patch_fact("default", "sam", fact->id, c.patch);
    ASSERT_FALSE(refused) << c.patch.dump();
    EXPECT_EQ(refused.error().param, c.param);
  }
  EXPECT_EQ(users_->patch_fact("default", "kim", fact->id, {{"text", "x"}}).error().code,
            ErrorCode::kNotFound);
}

TEST_F(UsersTest, AForgottenFactCannotBeRevivedOrRead) {
  const auto fact = users_->add_fact("default", "sam", "I live in Paris", "");
  ASSERT_TRUE(users_->forget_fact("default", "sam", fact->id));
  EXPECT_EQ(users_->patch_fact("default", "sam", fact->id, {{"status", "active"}}).error().code,
            ErrorCode::kConflict);
  const auto history = users_->facts("default", "sam", true);
  for (const store::Fact& old : *history) EXPECT_EQ(old.text + old.value + old.evidence, "");
}

TEST_F(UsersTest, FeedbackIsKeptWithItsAnswer) {
  const Answer answer = answered(request("sam", "Hello"));
  struct Case {
    Json feedback;
    const char* kind;
  };
  for (const Case& c :
       {Case{{{"thumb", "up"}}, "thumb"}, Case{{{"rating", 4}, {"reason", "short"}}, "rating"},
        Case{{{"edit", "Better."}}, "edit"}, Case{{{"text", "meh"}}, "comment"},
        Case{{{"chosen", "a"}, {"rejected", "b"}}, "preference"}}) {
    Json feedback = c.feedback;
    feedback["response_id"] = answer.id;
    const auto event = users_->add_feedback("default", "sam", feedback);
    ASSERT_TRUE(event) << event.error().message;
    EXPECT_EQ(event->kind, c.kind);
    EXPECT_EQ(event->response_id, answer.id);
  }
}

TEST_F(UsersTest, FeedbackIsRefusedWithTheFieldAtFault) {
  const std::string id = answered(request("sam", "Hello")).id;
  EXPECT_EQ(feedback_refused({{"thumb", "up"}}).param, "response_id");
  EXPECT_EQ(feedback_refused({{"response_id", id}, {"thumb", "sideways"}}).param, "thumb");
  EXPECT_EQ(feedback_refused({{"response_id", id}, {"rating", 6}}).param, "rating");
  EXPECT_EQ(feedback_refused({{"response_id", id}, {"ratng", 5}}).param, "ratng");
  EXPECT_EQ(feedback_refused({{"response_id", id}, {"chosen", "a"}}).param, "rejected");
  EXPECT_EQ(feedback_refused({{"response_id", id}}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(feedback_refused({{"response_id", "chatcmpl-x"}, {"rating", 5}}).code,
            ErrorCode::kNotFound);
  EXPECT_FALSE(users_->add_feedback("default", "kim", {{"response_id", id}, {"rating", 5}}));
}

}  // namespace
}  // namespace rapport::engine
