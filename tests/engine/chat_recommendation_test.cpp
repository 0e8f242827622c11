#include "rapport/engine/chat_recommendation.h"

#include <gmock/gmock.h>

#include "recommend_fixture.h"

namespace rapport::engine {
namespace {

using store::InteractionKind;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kAsked = "What should I watch tonight?";

class ChatRecommendation : public RecommendTest {
 protected:
  ChatRecommendation() { link({.diversity = 0}); }
  void link(const RecommendOptions& options) {
    recommender_ = make(options);
    responder_ = std::make_unique<Responder>(EngineOptions{}, *store_, *keys_, model_, clock_,
                                             random_, recommender_.get());
  }
  bool from_catalogue(ChatRequest request) {
    const std::size_t before = model_.requests().size();
    const Answer answer = answered(std::move(request));
    const bool asked_model = model_.requests().size() > before;
    EXPECT_EQ(asked_model, answer.choices.front().text == "All right.");
    return !asked_model;
  }
};

TEST_F(ChatRecommendation, TheTitlesExistAndEachSaysWhy) {
  did("sam", InteractionKind::kLike, "2");
  const Answer answer = answered(request("sam", kAsked));
  EXPECT_EQ(answer.choices.front().text,
            "Here is what I would pick for you:\n\n"
            "1. Star Wars (1977): Action, Sci-Fi. It shares Sci-Fi with Alien, which you liked.\n"
            "2. The Terminator (1984): Action, Sci-Fi. It shares Sci-Fi with Alien, which you "
            "liked.\n"
            "3. Fargo (1996): Crime, Drama. It is number 3 of the 12 items of films by how often "
            "it was chosen (9 times).\n"
            "4. Airplane! (1980): Comedy. It is number 2 of the 12 items of films by how often it "
            "was chosen (10 times).\n"
            "5. Blade Runner (1982): Sci-Fi, Film-Noir. It shares Sci-Fi with Alien, which you "
            "liked.");
  EXPECT_EQ(answer.model, "films/companions");
  EXPECT_THAT(model_.requests(), IsEmpty());
}

TEST_F(ChatRecommendation, WishesInTheQuestionHold) {
  const Answer answer = answered(request("sam", "Can you recommend a comedy movie from the 90s?"));
  EXPECT_THAT(answer.choices.front().text, HasSubstr("Clerks"));
  EXPECT_THAT(answer.choices.front().text, HasSubstr("Toy Story"));
  EXPECT_THAT(answer.choices.front().text, Not(HasSubstr("Airplane!")));
  EXPECT_EQ(answered(request("sam", "Recommend a movie from 1901")).choices.front().text,
            "Nothing in the catalogue films fits that.");
}

TEST_F(ChatRecommendation, GoesOnWhereAListLeftOff) {
  const std::string first = answered(request("sam", kAsked)).choices.front().text;
  EXPECT_THAT(first, HasSubstr("Star Wars"));
  const auto then = [&](const std::string& follow_up) {
    return answered(conversation("sam", {std::string("user: ") + kAsked, "assistant: " + first,
                                         "user: " + follow_up}))
        .choices.front()
        .text;
  };
  EXPECT_THAT(then("Something lighter"),
              AllOf(HasSubstr("as you asked for something lighter"), Not(HasSubstr("Star Wars"))));
  EXPECT_THAT(then("anything else?"), Not(HasSubstr("Star Wars")));
  EXPECT_THAT(then("a comedy, no romance"), AllOf(HasSubstr("Clerks"), Not(HasSubstr("Annie"))));
  EXPECT_THAT(model_.requests(), IsEmpty());
  EXPECT_EQ(then("Thanks, that will do"), "All right.");
}

TEST_F(ChatRecommendation, IsStreamedRecordedAndExplainedAsAnyAnswer) {
  std::string streamed;
  const auto answer =
      respond_and_wait(*responder_, request("sam", kAsked),
                       [&](std::int64_t, const language::Delta& delta) { streamed += delta.text; });
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(streamed, answer->choices.front().text);
  EXPECT_THAT(log_of("sam", answer->conversation),
              ElementsAre(std::string("user: ") + kAsked, "assistant: " + streamed));
  const Json why = explanation_of(answer->id);
  EXPECT_THAT(why["summary"].get<std::string>(), HasSubstr("the language model was not asked"));
  std::vector<std::string> steps;
  for (const Json& step : why["steps"]) steps.push_back(step["step"]);
  EXPECT_THAT(steps, ElementsAre("identify", "permit", "recall", "decide", "recommend"));
  // The list is a recommendation like any other: feedback on its items counts.
  const std::string list = why["recommendation"]["response_id"];
  EXPECT_TRUE(store_->exposure(list));
  const std::string first = why["recommendation"]["items"][0]["item"];
  EXPECT_TRUE(interactions_.react("default", {"sam", InteractionKind::kHide, first, {}, list}));
  EXPECT_THAT(answered(request("sam", kAsked)).choices.front().text, Not(HasSubstr("Star Wars")));
}

TEST_F(ChatRecommendation, LeavesEverythingElseToTheModel) {
  EXPECT_FALSE(from_catalogue(request("sam", "What should I cook tonight?")));
  EXPECT_FALSE(from_catalogue(request("", kAsked))) << "degree 0";
  ChatRequest generic = request("sam", kAsked);
  generic.degree = profile::Degree::kGeneric;
  EXPECT_FALSE(from_catalogue(generic));
  ChatRequest last_is_not_the_users =
      conversation("sam", {std::string("user: ") + kAsked, "assistant: Hm."});
  EXPECT_FALSE(from_catalogue(last_is_not_the_users));
  for (const auto& change : std::vector<std::function<void(ChatRequest&)>>{
           [](ChatRequest& r) { r.generate.tools = Json::array({Json::object()}); },
           [](ChatRequest& r) { r.generate.output.kind = language::OutputKind::kJsonObject; },
           [](ChatRequest& r) { r.generate.logprobs = true; },
           [](ChatRequest& r) { r.generate.stop = {"\n"}; },
           [](ChatRequest& r) { r.generate.max_tokens = 16; }}) {
    ChatRequest changed = request("sam", kAsked);
    change(changed);
    EXPECT_FALSE(from_catalogue(changed));
  }
  EXPECT_TRUE(from_catalogue(request("sam", kAsked)));
  set("sam", {{"language", "Spanish"}});
  EXPECT_FALSE(from_catalogue(request("sam", kAsked)));
  set("sam", {{"language", "en-GB"}});
  EXPECT_TRUE(from_catalogue(request("sam", kAsked)));
}

TEST_F(ChatRecommendation, IsOffWithoutACatalogueOrWhenSwitchedOff) {
  slot_.put(nullptr);
  EXPECT_FALSE(from_catalogue(request("sam", kAsked)));
  slot_.put(testing::served_films());
  EXPECT_TRUE(from_catalogue(request("sam", kAsked)));
  link({.chat = false});
  EXPECT_FALSE(from_catalogue(request("sam", kAsked)));
  link({.domain = "books"});
  EXPECT_FALSE(from_catalogue(request("sam", kAsked)));
}

}  // namespace
}  // namespace rapport::engine
