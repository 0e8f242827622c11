#include "rapport/evaluation/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rapport::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr statistics::BootstrapOptions kQuick{.resamples = 50};

FullRanking ranking_of(const std::vector<std::int64_t>& ranks) {
  FullRanking ranking;
  for (const std::int64_t rank : ranks) {
    const auto user = static_cast<data::UserIndex>(ranking.users.size());
    ranking.users.push_back({.user = user, .rank = rank});
  }
  return ranking;
}

Report report_of(const FullRanking& ranking) {
  Report report;
  report.model = "sasrec";
  report.data = "ml-1m";
  report.data_checksum = "abc";
  report.metrics = ranking.metrics();
  report.estimates = estimate(report.metrics, reported_metrics(), kQuick).value();
  report.skipped = 2;
  report.seconds = 1.5;
  return report;
}

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  return keys;
}

TEST(Report, HasTheKeysThatOthersReadByName) {
  const Json json = to_json(report_of(ranking_of({0, 9, 30})));
  EXPECT_THAT(keys(json),
              ElementsAre("model", "data", "split", "users", "weight", "skipped", "hr@5", "hr@10",
                          "hr@20", "hr@50", "ndcg@5", "ndcg@10", "ndcg@20", "ndcg@50", "mrr",
                          "seconds", "confidence", "intervals"));
  EXPECT_EQ(json["model"], "sasrec");
  EXPECT_EQ(json["split"], "test");
  EXPECT_EQ(json["users"], 3);
  EXPECT_DOUBLE_EQ(json["hr@10"].get<double>(), 2.0 / 3);
  EXPECT_EQ(json["seconds"], 1.5);
  EXPECT_EQ(json["intervals"].size(), 9u);
  EXPECT_EQ(json["intervals"]["ndcg@10"].size(), 2u);
}

TEST(Report, SaysTheDifferenceToAnotherSystem) {
  const FullRanking ours = ranking_of({0, 0}), theirs = ranking_of({0, 40});
  Report report = report_of(ours);
  report.against = {.model = "popularity",
                    .metrics = theirs.metrics(),
                    .differences = compare(ours, theirs, reported_metrics(), kQuick).value()};
  const Json against = to_json(report)["against"];
  EXPECT_EQ(against["model"], "popularity");
  EXPECT_EQ(against["hr@10"], 0.5);
  EXPECT_EQ(against["differences"]["hr@10"]["difference"], 0.5);
  EXPECT_THAT(keys(against["differences"]["mrr"]), ElementsAre("difference", "low", "high"));
  const std::string page = to_markdown(report);
  EXPECT_THAT(page, HasSubstr("popularity (against)"));
  EXPECT_THAT(page, HasSubstr("+0.5000"));
}

TEST(Report, SaysHowFarGroupsAreApart) {
  const FullRanking ranking = ranking_of({0, 0, 40});
  Report report = report_of(ranking);
  EXPECT_THAT(to_markdown(report), Not(HasSubstr("Gap")));
  report.by = "gender";
  report.groups = group_results(ranking, {.names = {"F", "M"}, .group_of = {0, 0, 1}},
                                {.min_users = 1, .bootstrap = kQuick})
                      .value();
  const Json json = to_json(report);
  EXPECT_EQ(json["by"], "gender");
  EXPECT_EQ(json["groups"][0]["group"], "F");
  EXPECT_EQ(json["groups"][0]["hr@10"], 1);
  EXPECT_EQ(json["gap"]["hr@10"]["difference"], 1);
  EXPECT_EQ(json["gap"]["hr@10"]["worst"], "M");
  EXPECT_THAT(to_markdown(report), HasSubstr("Gap in hr@10: 1.0000, between F and M."));
}

TEST(MarkdownTable, LinesUpAndEscapes) {
  EXPECT_EQ(markdown_table({"group", "users"}, {{"café", "1"}, {"a|b", "12345678"}}),
            "| group |    users |\n"
            "|-------|---------:|\n"
            "| café  |        1 |\n"
            "| a\\|b  | 12345678 |\n");
}

}  // namespace
}  // namespace rapport::evaluation
