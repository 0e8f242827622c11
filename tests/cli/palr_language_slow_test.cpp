// A language model tuned and asked by the commands, from the data to what it adds to a ranking.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "palr/palr_testing.h"
#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/model_files.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::HasSubstr;

class PalrLanguage : public ::testing::Test {
 protected:
  PalrLanguage() {
    const data::Dataset shop = palr::brand_shop(60, 3, 7, 1);
    EXPECT_TRUE(shop.save(file("data")));
    for (const char* kind : {"popularity", "ease"}) {
      const base::SystemClock clock;
      const auto fit = retrieval::fit_retriever(kind, shop, {}, {.clock = clock});
      EXPECT_TRUE(fit) << fit.error().message;
      EXPECT_TRUE(retrieval::save_model(*fit, shop, file(kind)));
    }
  }
  std::string file(const std::string& name) const { return home_.file(name); }
  Ran run(std::vector<std::string> words) {
    words.insert(words.begin(), {"--home", file("home"), "--quiet", "palr"});
    return run_command({add_palr}, std::move(words));
  }
  /// With the data, the model and two retrievers.
  Ran ask(std::vector<std::string> words) {
    words.insert(words.begin() + 1,
                 {"--data", file("data"), "--models", file("popularity") + "," + file("ease"),
                  "--language-model", testing::smollm2_path()});
    return run(std::move(words));
  }

  const testing::TemporaryDirectory home_;
};

TEST_F(PalrLanguage, WritesExamplesForOthersToTuneOn) {
  const Ran written = ask({"instructions", "--output", file("train.jsonl"), "--set",
                           "task=recommend_retrieval", "--set", "candidates=8", "--json"});
  ASSERT_EQ(written.status, 0) << written.err;
  EXPECT_EQ(Json::parse(written.out)["examples"], 30) << "so many of a stratum at least";
  std::ifstream lines(file("train.jsonl"));
  std::string line;
  int count = 0;
  for (; std::getline(lines, line); ++count) {
    const Json example = Json::parse(line);
    EXPECT_EQ(example["messages"].size(), 3u);
    EXPECT_THAT(example["messages"][1]["content"].get<std::string>(), HasSubstr("H. thing"));
  }
  EXPECT_EQ(count, 30);
  const Ran refused = ask({"instructions", "--output", file("other.jsonl"), "--set", "task=sing"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("expected recommend or recommend_retrieval"));
}

TEST_F(PalrLanguage, TunesAsksAndRanks) {
  const Ran tuned =
      ask({"finetune", "--output", file("adapter.gguf"), "--set", "task=recommend", "--set",
           "layers=1", "--set", "history=5", "--set", "fraction=0.1", "--json"});
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  EXPECT_GT(Json::parse(tuned.out)["report"]["loss"].get<double>(), 0);
  EXPECT_FALSE(std::filesystem::exists(file("adapter.gguf.checkpoint")));

  for (const char* const split : {"validation", "test"}) {
    const Ran scored =
        ask({"score", "--adapter", file("adapter.gguf"), "--output", file("scores.jsonl"),
             "--split", split, "--fraction", "0.5", "--set", "candidates=3", "--json"});
    ASSERT_EQ(scored.status, 0) << scored.err;
    EXPECT_EQ(Json::parse(scored.out)["asked"], 30);
  }
  const std::string models = file("popularity") + "," + file("ease");
  const auto train = [&](const std::string& features, const std::string& output) {
    return run({"train", "--data", file("data"), "--models", models, "--output", output,
                "--language-scores", file("scores.jsonl"), "--set", "ranker=linear", "--set",
                "rounds=3", "--set", "fraction=0.5", "--set", "features=" + features});
  };
  const Ran with = train("retrievers,language", file("with"));
  ASSERT_EQ(with.status, 0) << with.err;
  EXPECT_THAT(with.out, HasSubstr("--language-scores"));
  ASSERT_EQ(train("retrievers", file("without")).status, 0);
  const Ran measured = run({"evaluate", "--data", file("data"), "--models", models, "--ranker",
                            file("with"), "--beside", file("without"), "--language-scores",
                            file("scores.jsonl"), "--resamples", "50", "--json"});
  ASSERT_EQ(measured.status, 0) << measured.err;
  const Json json = Json::parse(measured.out);
  EXPECT_EQ(json["all"]["users"], 30) << "those that the language model was asked about";
  EXPECT_EQ(json["all"]["rankers"][0]["model"], file("without"));
  EXPECT_TRUE(json["all"]["rankers"][0]["differences"].contains("ndcg@10"));
  // Asked anew while a list is made, as it was asked then.
  const auto recommended = [&](std::vector<std::string> more) {
    more.insert(more.begin(),
                {"--home", file("home"), "--quiet", "recommend", "--data", file("data"), "--model",
                 file("ease"), "--ranker", file("with"), "--user", "user 1", "--language-model",
                 testing::smollm2_path(), "--top", "3", "--json"});
    return run_command({add_recommend}, std::move(more));
  };
  const Ran list = recommended({"--adapter", file("adapter.gguf")});
  ASSERT_EQ(list.status, 0) << list.err;
  EXPECT_EQ(Json::parse(list.out)["ranker"], "linear");
  EXPECT_EQ(Json::parse(list.out)["items"].size(), 3u);
  EXPECT_THAT(recommended({}).err, HasSubstr("another language model, adapter or build"));
  const Ran blind =
      run({"evaluate", "--data", file("data"), "--models", models, "--ranker", file("with")});
  EXPECT_EQ(blind.status, 1);
  EXPECT_THAT(blind.err, HasSubstr("--language-scores"));
}

/// An adapter that learned a user's validation item must not be asked about it.
TEST_F(PalrLanguage, IsNotAskedWhatItHasLearned) {
  const Ran tuned =
      ask({"finetune", "--output", file("adapter.gguf"), "--set", "task=recommend_retrieval",
           "--set", "layers=1", "--set", "candidates=4", "--set", "fraction=0.2"});
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  const std::vector<std::string> words = {
      "score",       "--adapter", file("adapter.gguf"), "--output", file("scores.jsonl"), "--set",
      "ask=letters", "--set",     "candidates=4",       "--set",    "orders=1",           "--json"};
  const Ran same = ask(words);
  EXPECT_EQ(same.status, 1);
  EXPECT_THAT(same.err, HasSubstr("has learned the validation items"));
  std::vector<std::string> more = words;
  more.insert(more.end(), {"--fraction", "1"});
  const Ran others = ask(more);
  ASSERT_EQ(others.status, 0) << others.err;
  EXPECT_EQ(Json::parse(others.out)["asked"], 30) << "of 60";
}

}  // namespace
}  // namespace rapport::cli
