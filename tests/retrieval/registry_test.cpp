#include "rapport/retrieval/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "rapport/retrieval/gru4rec_options.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const base::SystemClock kClock;

TEST(Registry, HasEachNameOnceWithWhatAPersonNeedsToKnow) {
  std::set<std::string_view> names;
  for (const RetrieverKind& kind : retriever_kinds()) {
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
    EXPECT_FALSE(kind.summary.empty()) << kind.name;
    EXPECT_FALSE(kind.source.empty()) << kind.name;
    EXPECT_NE(kind.load, nullptr) << kind.name;
    for (const Json& option : kind.options()) {
      EXPECT_FALSE(option["help"].get<std::string>().empty()) << kind.name << option["key"];
      EXPECT_TRUE(option.contains("default"));
    }
  }
  EXPECT_TRUE(names.contains("popularity"));
  EXPECT_TRUE(names.contains("sasrec"));
  EXPECT_TRUE(names.contains("gru4rec"));
  EXPECT_TRUE(names.contains("caser"));
  EXPECT_TRUE(names.contains("lightgcn"));
  EXPECT_TRUE(names.contains("ncf"));
  EXPECT_TRUE(names.contains("bert4rec"));
  EXPECT_TRUE(names.contains("ease"));
  EXPECT_TRUE(names.contains("ridge"));
  EXPECT_TRUE(names.contains("fusion"));
}

TEST(Registry, SuggestsTheNearestNameOfAnUnknownModel) {
  const auto kind = find_retriever_kind("sasrek");
  ASSERT_FALSE(kind);
  EXPECT_EQ(kind.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(kind.error().message, AllOf(HasSubstr("sasrek"), HasSubstr("did you mean sasrec"),
                                          HasSubstr("popularity")));
}

TEST(Registry, RefusesOptionsThatAModelDoesNotHave) {
  const auto dataset = rapport::testing::random_dataset(20, 10, 1);
  struct Case {
    const char *model, *key, *value, *says;
  };
  for (const Case& c : {Case{"popularity", "epochs", "3", "epochs"},
                        Case{"sasrec", "droput", "0.1", "dropout"},
                        Case{"sasrec", "dropout", "1.5", "dropout"},
                        Case{"sasrec", "heads", "5", "divisor"},
                        Case{"sasrec", "recipe", "wild", "dense"},
                        Case{"bprmf", "recipe", "wild", "dense"},
                        Case{"bprmf", "popular_negatives", "1.1", "popular_negatives"},
                        Case{"fpmc", "dimension", "0", "dimension"},
                        Case{"fpmc", "dropout", "0.1", "dropout"},
                        Case{"lightgcn", "layers", "0", "layers"},
                        Case{"lightgcn", "recipe", "wild", "dense"},
                        Case{"ncf", "hidden", "30", "multiple of 4"},
                        Case{"ncf", "negatives", "0", "negatives"},
                        Case{"gru4rec", "hidden", "0", "hidden"},
                        Case{"gru4rec", "recipe", "wild", "dense"},
                        Case{"gru4rec", "loss", "hinge", "bpr-max"},
                        Case{"bert4rec", "heads", "5", "divisor"},
                        Case{"bert4rec", "recipe", "wild", "dense"},
                        Case{"bert4rec", "mask_share", "1", "mask_share"},
                        Case{"bert4rec", "max_length", "1", "max_length"},
                        Case{"caser", "window", "600", "window"},
                        Case{"caser", "heights", "100", "heights"},
                        Case{"caser", "loss", "hinge", "bce"},
                        Case{"caser", "initial_deviation", "2", "initial_deviation"},
                        Case{"ease", "lamda", "3", "lambda"},
                        Case{"ridge", "decay", "1.5", "decay"},
                        Case{"ridge", "window", "0", "window"},
                        Case{"fusion", "model", "a,b", "models"}}) {
    const auto fit = fit_retriever(c.model, dataset, {{c.key, c.value}}, {.clock = kClock});
    ASSERT_FALSE(fit) << c.key;
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument) << c.key;
    EXPECT_THAT(fit.error().message, HasSubstr(c.says));
  }
}

TEST(Registry, RefusesOptionsThatWouldDoNothing) {
  const auto dataset = rapport::testing::titled_dataset({{0, 1, 2, 3}, {3, 2, 1, 0}},
                                                        {"red hat", "hat", "red", "red hat"});
  struct Case {
    const char* model;
    Assignments assignments;
    const char *param, *says;
  };
  std::vector<Case> cases;
  for (const char* const model : {"sasrec", "gru4rec"}) {
    for (const char* const key : {"text_items", "neighbours", "min_df", "max_df"})
      cases.push_back({model, {{key, "7"}}, key, "text is false"});
  }
  for (const char* const model : {"sasrec", "gru4rec", "caser"}) {
    cases.push_back({model, {{"negatives", "4"}}, "negatives", "loss=ce"});
    cases.push_back({model, {{"negative_exponent", "0"}}, "negative_exponent", "loss=ce"});
  }
  for (const char* const key : {"min_df", "max_df"})
    cases.push_back({"ridge", {{"alpha", "0"}, {key, "7"}}, key, "alpha is 0"});
  for (const Case& c : cases) {
    const auto fit = fit_retriever(c.model, dataset, c.assignments, {.clock = kClock});
    ASSERT_FALSE(fit) << c.model << ' ' << c.param;
    EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument) << fit.error().message;
    EXPECT_EQ(fit.error().param, c.param);
    EXPECT_THAT(fit.error().message, AllOf(HasSubstr(c.param), HasSubstr(c.says)));
  }
}

TEST(Registry, TakesThoseOptionsWhereTheyDoSomethingOrAreTheDefault) {
  const auto dataset = rapport::testing::titled_dataset({{0, 1, 2, 3}}, {"hat", "hat", "", ""});
  const auto gru4rec = [&](const Assignments& assignments) {
    return read_options<Gru4recOptions>(dataset, assignments).has_value();
  };
  EXPECT_TRUE(gru4rec({{"text", "true"}, {"neighbours", "7"}, {"min_df", "1"}}));
  EXPECT_TRUE(gru4rec({{"loss", "bce"}, {"negatives", "7"}, {"negative_exponent", "0.5"}}));
  EXPECT_TRUE(gru4rec({{"neighbours", "500"}, {"text_items", "10"}, {"negatives", "0"}}));
}

/// opened_library_test.cpp has what is said where there should be one.
TEST(Registry, SaysWhatIsMissingInABuildWithoutTraining) {
  if (training_is_built()) GTEST_SKIP() << "this build can train";
  const auto fit =
      fit_retriever("sasrec", rapport::testing::random_dataset(20, 10, 1), {}, {.clock = kClock});
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(fit.error().message, HasSubstr("librapport_training.so"));
}

}  // namespace
}  // namespace rapport::retrieval
