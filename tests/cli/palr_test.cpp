#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "palr/palr_testing.h"
#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/model_files.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;

class PalrCommand : public ::testing::Test {
 protected:
  PalrCommand() {
    const data::Dataset shop = palr::brand_shop(120, 4, 6, 1);
    EXPECT_TRUE(shop.save(data()));
    for (const char* kind : {"popularity", "ease"}) {
      const base::SystemClock clock;
      const auto fit = retrieval::fit_retriever(kind, shop, {}, {.clock = clock});
      EXPECT_TRUE(fit) << fit.error().message;
      EXPECT_TRUE(retrieval::save_model(*fit, shop, home_.file(kind)));
    }
  }
  std::string data() const { return home_.file("data"); }
  std::string models() const { return home_.file("popularity") + "," + home_.file("ease"); }
  std::string ranker() const { return home_.file("palr"); }

  Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--home", home_.file("home"), "--quiet", "palr"});
    return run_command({add_palr}, std::move(words));
  }
  Ran train(std::vector<std::string> more = {}) {
    more.insert(more.begin(),
                {"train", "--data", data(), "--models", models(), "--output", ranker(), "--set",
                 "ranker=linear", "--set", "rounds=5", "--set", "fraction=0.5"});
    return run(std::move(more));
  }

  testing::TemporaryDirectory home_;
};

TEST_F(PalrCommand, LearnsARankingAndMeasuresIt) {
  const Ran trained = train();
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_THAT(trained.out, HasSubstr("next: rapport palr evaluate"));
  const Ran measured = run({"evaluate", "--data", data(), "--models",
                            home_.file("ease") + "," + home_.file("popularity"), "--ranker",
                            ranker(), "--resamples", "50", "--json"});
  ASSERT_EQ(measured.status, 0) << measured.err;
  const Json json = Json::parse(measured.out);
  EXPECT_EQ(json["all"]["users"], 120);
  EXPECT_EQ(json["others"]["users"], 60);
  EXPECT_EQ(json["all"]["retrievers"][0]["model"], "popularity") << "in the order of the training";
  EXPECT_GE(json["all"]["ceiling"], json["all"]["hr@10"]);
  const Ran table = run({"evaluate", "--data", data(), "--models", models(), "--ranker", ranker(),
                         "--resamples", "50"});
  EXPECT_THAT(table.out, HasSubstr("| all "));
}

TEST_F(PalrCommand, MeasuresWhatOneMoreVoiceAddsToARetriever) {
  const std::vector<std::string> words = {
      "evaluate", "--data",           data(),        "--retriever", home_.file("popularity"),
      "--judges", home_.file("ease"), "--resamples", "50"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), words.begin(), words.end());
    return run(std::move(more));
  };
  const Ran measured = with({"--json"});
  ASSERT_EQ(measured.status, 0) << measured.err;
  const Json json = Json::parse(measured.out);
  EXPECT_EQ(json["users"], 120);
  EXPECT_EQ(json["retriever"]["name"], "popularity");
  EXPECT_EQ(json["language_model"]["name"], "ease");
  EXPECT_TRUE(json["fused"]["gain"]["ndcg@10"].contains("low"));
  EXPECT_THAT(with({}).out, HasSubstr("popularity and ease"));
  EXPECT_THAT(with({"--ranker", ranker()}).err, HasSubstr("--ranker is for a learned ranking"));
  EXPECT_THAT(with({"--split", "validation"}).err, HasSubstr("--split is for a learned ranking"));
  EXPECT_THAT(run({"evaluate", "--data", data()}).err, HasSubstr("or a --retriever"));
}

TEST_F(PalrCommand, EmbedsACatalogueForARankerToRead) {
  const std::string vectors = home_.file("vectors");
  const Ran embedded = run({"embed", "--data", data(), "--output", vectors, "--embedder",
                            testing::model_file("all-minilm-l6-v2-f32.gguf"), "--json"});
  ASSERT_EQ(embedded.status, 0) << embedded.err;
  EXPECT_EQ(Json::parse(embedded.out)["items"], 40);
  EXPECT_EQ(Json::parse(embedded.out)["dimensions"], 384);
  const Ran trained = train({"--embeddings", vectors});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string with = home_.file("with");
  std::filesystem::rename(ranker(), with);
  std::filesystem::remove_all(vectors);
  ASSERT_EQ(train().status, 0);
  const Ran measured = run({"evaluate", "--data", data(), "--models", models(), "--ranker", with,
                            "--beside", ranker(), "--resamples", "50", "--json"});
  ASSERT_EQ(measured.status, 0) << "the ranking has taken the vectors along: " << measured.err;
  const Ran refused = train({"--embeddings", home_.file("ease")});
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.err, HasSubstr("rapport palr embed"));
  for (const std::string& taken : {data(), home_.file("ease")})
    EXPECT_THAT(run({"embed", "--data", data(), "--output", taken}).err,
                HasSubstr("name another --output"));
}

TEST_F(PalrCommand, PrintsItsReportAsJson) {
  const Json json = Json::parse(train({"--json"}).out);
  EXPECT_EQ(json["ranker"], "linear");
  EXPECT_EQ(json["options"]["rounds"], 5);
  EXPECT_TRUE(json["report"]["validation"].contains("ceiling"));
}

TEST_F(PalrCommand, TellsItsOptions) {
  EXPECT_THAT(run({"train", "--help"}).out, HasSubstr("popularity_floor=5"));
}

TEST_F(PalrCommand, RefusesBeforeAnythingTakesTime) {
  const struct {
    std::vector<std::string> more;
    const char* sentence;
  } cases[] = {
      {{"--set", "ranker=oracle"}, "it is one of xgboost, mlp, linear"},
      {{"--set", "rounds"}, "expected KEY=VALUE"},
      {{"--set", "raunds=3"}, "rounds"},
      {{"--set", "strata=shoe size"}, "shoe size"},
  };
  for (const auto& c : cases) {
    const Ran refused = train(c.more);
    EXPECT_EQ(refused.status, 1) << c.sentence;
    EXPECT_THAT(refused.err, HasSubstr(c.sentence));
  }
  const Ran taken =
      run({"train", "--data", data(), "--models", models(), "--output", home_.file("ease")});
  EXPECT_EQ(taken.status, 1);
  EXPECT_THAT(taken.err, HasSubstr("no ranking model"));
  const Ran none =
      run({"evaluate", "--data", data(), "--models", models(), "--ranker", home_.file("ease")});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.err, HasSubstr("rapport palr train"));
}

TEST_F(PalrCommand, ShowsAProfileWithWhereItComesFrom) {
  const Ran shown =
      run({"profile", "--data", data(), "--user", "user 3", "--set", "choose=support"});
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("what lasts\n"));
  EXPECT_THAT(shown.out, HasSubstr("from "));
  const Ran unknown =
      run({"profile", "--data", data(), "--user", "nobody", "--set", "choose=support"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.err, HasSubstr("has no user \"nobody\""));
  const Ran neither = run({"profile", "--data", data(), "--set", "choose=support"});
  EXPECT_THAT(neither.err, HasSubstr("name a --user"));
}

TEST_F(PalrCommand, RanksByProfilesOfTheUsersThatItLearnsFrom) {
  const std::string profiles = home_.file("profiles.jsonl");
  const auto make = [&](const std::string& fraction, const std::string& split) {
    return run({"profile", "--data", data(), "--output", profiles, "--split", split, "--fraction",
                fraction, "--set", "choose=support", "--json"});
  };
  const Ran made = make("0.5", "validation");
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_EQ(Json::parse(made.out)["profiled"], 60);
  EXPECT_EQ(Json::parse(make("1", "test").out)["profiled"], 120);
  ASSERT_EQ(train({"--profiles", profiles, "--set", "features=retrievers,profile"}).status, 0);
  const Ran measured = run({"evaluate", "--data", data(), "--models", models(), "--ranker",
                            ranker(), "--profiles", profiles, "--resamples", "50", "--json"});
  ASSERT_EQ(measured.status, 0) << measured.err;
  EXPECT_EQ(Json::parse(measured.out)["all"]["users"], 120);
  const Ran other_lot = train({"--profiles", profiles, "--seed", "9", "--set", "fraction=1"});
  EXPECT_EQ(other_lot.status, 1) << other_lot.out;
  EXPECT_THAT(other_lot.err, HasSubstr("--fraction 1"));
  const Ran nameless = train({"--set", "features=profile"});
  EXPECT_EQ(nameless.status, 1);
  EXPECT_THAT(nameless.err, HasSubstr("--profiles"));
}

}  // namespace
}  // namespace rapport::cli
