#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// On 40 users of four items each, of whom every other one is a "F". What is popular among the
// trained-on items is the target of the "F"s, never that of the others.
class Evaluate : public ::testing::Test {
 protected:
  Evaluate() {
    const data::Dataset dataset = make_dataset("small", true);
    EXPECT_TRUE(dataset.save(data()));
    save_popularity(dataset, model());
  }

  static data::Dataset make_dataset(const std::string& name, bool with_genders) {
    data::DatasetParts parts;
    parts.name = name;
    std::vector<data::Person> people;
    parts.offsets = {0};
    for (std::int32_t user = 0; user < 40; ++user) {
      const bool woman = user % 2 == 0;
      people.push_back(
          {.id = std::to_string(user), .gender = with_genders ? woman ? "F" : "M" : ""});
      // Items 0 and 1 are trained on by the men and never seen by the women, whose target 0 is.
      const data::ItemIndex taken[] = {woman ? 2 + user : 0, woman ? 3 + user : 1, 50,
                                       woman ? 0 : 51};
      parts.sequence.insert(parts.sequence.end(), std::begin(taken), std::end(taken));
      parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    }
    std::vector<data::Item> items;
    for (int item = 0; item < 60; ++item) items.push_back({.id = std::to_string(item)});
    parts.catalogue = data::Catalogue::create(std::move(items)).value();
    parts.people = data::People::create(std::move(people)).value();
    return data::Dataset::create(std::move(parts)).value();
  }
  static void save_popularity(const data::Dataset& dataset, const std::string& directory) {
    const base::SystemClock clock;
    const auto fit = retrieval::fit_retriever("popularity", dataset, {}, {.clock = clock});
    ASSERT_TRUE(fit) << fit.error().message;
    ASSERT_TRUE(retrieval::save_model(*fit, dataset, directory));
  }

  std::string data() const { return home_.file("data"); }
  std::string model() const { return home_.file("model"); }

  Ran run(const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "--home", home_.file("home"), "--quiet", "evaluate", "--model",
        model(),  "--resamples",      "100"};
    words.insert(words.end(), more.begin(), more.end());
    return run_command({add_evaluate}, std::move(words));
  }
  Json json(std::vector<std::string> more) {
    more.insert(more.begin(), {"--data", data(), "--json"});
    const Ran ran = run(more);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }

  testing::TemporaryDirectory home_;
};

TEST_F(Evaluate, PrintsTheFiguresOfTheTest) {
  const Json result = json({});
  EXPECT_EQ(result["model"], "popularity");
  EXPECT_EQ(result["split"], "test");
  EXPECT_EQ(result["users"], 40);
  // The women's target is as popular as item 1, and a tie counts against it: place two.
  EXPECT_DOUBLE_EQ(result["hr@10"].get<double>(), 0.5);
  EXPECT_NEAR(result["ndcg@10"].get<double>(), 0.5 * 0.6309297536, 1e-9);
  EXPECT_GT(result["seconds"], 0);
  EXPECT_EQ(json({"--split", "validation"})["split"], "validation");
}

TEST_F(Evaluate, ShowsGroupsAndTheGap) {
  const Json result = json({"--by", "gender"});
  EXPECT_EQ(result["by"], "gender");
  ASSERT_EQ(result["groups"].size(), 2u);
  EXPECT_EQ(result["groups"][0]["group"], "F");
  EXPECT_EQ(result["groups"][0]["hr@10"], 1);
  EXPECT_EQ(result["groups"][1]["hr@10"], 0);
  EXPECT_THAT(run({"--data", data(), "--by", "gender"}).out, HasSubstr("| F "));
}

TEST_F(Evaluate, AgainstItselfThereIsNoDifference) {
  const Json against = json({"--against", model()})["against"];
  EXPECT_EQ(against["model"], "popularity");
  EXPECT_EQ(against["differences"]["ndcg@10"]["difference"], 0);
  EXPECT_EQ(against["differences"]["ndcg@10"]["low"], 0);
  EXPECT_EQ(against["differences"]["ndcg@10"]["high"], 0);
}

TEST_F(Evaluate, SaysThatAModelWasTrainedOnOtherInteractions) {
  EXPECT_THAT(run({"--data", data()}).err, Not(HasSubstr("warning")));
  const data::Dataset own = make_dataset("small", true);
  data::DatasetParts parts;
  parts.name = "shuffled";
  std::vector<data::Item> items;
  for (data::ItemIndex item = 0; item < own.items(); ++item)
    items.push_back(own.catalogue().item(item));
  parts.catalogue = data::Catalogue::create(std::move(items)).value();
  parts.offsets = {0};
  std::vector<data::Person> people;
  for (data::UserIndex user = 0; user < own.users(); ++user) {
    const auto history = own.history(user);
    parts.sequence.insert(parts.sequence.end(), history.rbegin(), history.rend());
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
    people.push_back({.id = std::to_string(user)});
  }
  parts.people = data::People::create(std::move(people)).value();
  const data::Dataset reversed = data::Dataset::create(std::move(parts)).value();
  save_popularity(reversed, model());
  const Ran ran = run({"--data", data(), "--json"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("shuffled"));
  EXPECT_EQ(Json::parse(ran.out)["trained_on"]["name"], "shuffled");
}

TEST_F(Evaluate, ASampleIsOfAsManyUsers) {
  EXPECT_EQ(json({"--sample", "7"})["users"], 7);
}

TEST_F(Evaluate, RefusesBeforeAnythingTakesTime) {
  const data::Dataset nameless = make_dataset("nameless", false);
  ASSERT_TRUE(nameless.save(home_.file("nameless")));
  const struct {
    std::vector<std::string> words;
    const char* sentence;
  } cases[] = {
      {{"--data", home_.file("nowhere")}, "nowhere"},
      {{"--data", data(), "--split", "train"}, "train"},
      {{"--data", data(), "--by", "shoe size"}, "shoe size"},
      {{"--data", home_.file("nameless"), "--by", "gender"}, "--by activity"},
      {{"--data", data(), "--against", home_.file("no model")}, "no model"},
  };
  for (const auto& c : cases) {
    const Ran refused = run(c.words);
    EXPECT_EQ(refused.status, 1) << c.sentence;
    EXPECT_EQ(refused.out, "");
    EXPECT_THAT(refused.err, HasSubstr(c.sentence));
  }
  EXPECT_EQ(run({"--data", data(), "--sample", "-1"}).status, 2);
  EXPECT_EQ(run({}).status, 2) << "without --data";
}

}  // namespace
}  // namespace rapport::cli
