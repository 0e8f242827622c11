#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "palr/palr_testing.h"
#include "rapport/palr/learning.h"
#include "rapport/retrieval/model_directory.h"
#include "run_command.h"
#include "testing/temporary_directory.h"

namespace rapport::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Recommend : public ::testing::Test {
 protected:
  Recommend() {
    const char* const titles[] = {"Film 0 (2022)", "Film 1", "Film 2 (Part Two)", ""};
    std::vector<data::Item> items;
    for (const char* title : titles) {
      data::Item item;
      item.id = std::to_string(items.size());
      item.title = title;
      item.year = 2022;
      items.push_back(std::move(item));
    }
    data::DatasetParts parts;
    parts.name = "small";
    parts.offsets = {0, 4};
    parts.sequence = {0, 1, 2, 3};
    parts.catalogue = data::Catalogue::create(std::move(items)).value();
    data::Person person;
    person.id = "1";
    parts.people = data::People::create({person}).value();
    const data::Dataset dataset = data::Dataset::create(std::move(parts)).value();
    EXPECT_TRUE(dataset.save(home_.file("data")));
    const base::SystemClock clock;
    const auto fit = retrieval::fit_retriever("popularity", dataset, {}, {.clock = clock});
    EXPECT_TRUE(fit && retrieval::save_model(*fit, dataset, home_.file("model")));
  }

  Ran run(const std::string& history) {
    return run_command({add_recommend},
                       {"--home", home_.file("home"), "recommend", "--data", home_.file("data"),
                        "--model", home_.file("model"), "--history", history});
  }

  const rapport::testing::TemporaryDirectory home_;
};

TEST_F(Recommend, ShowsEachTitleWithItsYearOnce) {
  EXPECT_THAT(run("1").out,
              AllOf(HasSubstr("  Film 0 (2022)\n"), HasSubstr("  Film 2 (Part Two) (2022)\n"),
                    HasSubstr("  3 (2022)\n")));
  EXPECT_THAT(run("0").out, HasSubstr("  Film 1 (2022)\n"));
}

TEST_F(Recommend, TellsOfAnUnknownItemWhatHelpsOnTheCommandLine) {
  const Ran near = run("1,Film 3");
  EXPECT_EQ(near.status, 1);
  EXPECT_THAT(near.err, AllOf(HasSubstr("history[1]"), HasSubstr("did you mean")));
  EXPECT_THAT(run("nothing like it").err, AllOf(HasSubstr("prepared from"), Not(HasSubstr("GET"))));
}

TEST(RankedRecommend, OrdersWhatTheModelsBesideItProposeByARanker) {
  const rapport::testing::TemporaryDirectory home;
  const data::Dataset shop = palr::brand_shop(120, 6, 6, 3);
  ASSERT_TRUE(shop.save(home.file("data")));
  const base::SystemClock clock;
  std::vector<std::string> directories;
  for (const char* kind : {"fpmc", "popularity"}) {
    const auto fit = retrieval::fit_retriever(kind, shop, {}, {.clock = clock});
    directories.push_back(home.file(std::string("models/my ") + kind));
    std::filesystem::create_directories(home.file("models"));
    ASSERT_TRUE(fit && retrieval::save_model(*fit, shop, directories.back()));
  }
  palr::PalrOptions options;
  options.fraction = 1;
  options.ranker.rounds = 5;
  const auto sources = palr::load_sources(directories, shop);
  ASSERT_TRUE(sources) << sources.error().message;
  const auto model =
      palr::learn_ranking(shop, *sources, options, {}, {.clock = clock, .ranker = {}});
  ASSERT_TRUE(model && palr::save_ranking_model(*model, shop, home.file("ranker")));

  std::vector<std::string> words = {"--home",
                                    home.file("home"),
                                    "recommend",
                                    "--data",
                                    home.file("data"),
                                    "--model",
                                    directories.front() + "/",
                                    "--ranker",
                                    home.file("ranker"),
                                    "--history",
                                    "item 3,item 5",
                                    "--explain"};
  const Json list = run_for_json({add_recommend}, words);
  EXPECT_EQ(list["model"], "fpmc");
  EXPECT_EQ(list["ranker"], "xgboost");
  EXPECT_THAT(list["items"][0]["reasons"].dump(), HasSubstr("average candidate"));

  std::filesystem::remove_all(directories.back());
  const Ran refused = run_command({add_recommend}, words);
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("train the ranking again"));
}

}  // namespace
}  // namespace rapport::cli
