#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rapport/retrieval/registry.h"
#include "testing/little_memory.h"
#include "testing/made_up_data.h"

namespace rapport::retrieval {
namespace {

using ::testing::HasSubstr;

const base::SystemClock kClock;
const Assignments kSmall = {{"dimension", "16"}, {"max_length", "10"},
                            {"dropout", "0.2"},  {"batch_positions", "60"},
                            {"epochs", "6"},     {"learning_rate", "0.01"}};

TEST(TrainingLibrary, KnowsEveryModelThatNeedsIt) {
  const auto too_little = rapport::testing::made_up_dataset({{0, 1, 2}, {2, 1}}, 3);
  for (const RetrieverKind& kind : retriever_kinds()) {
    if (!kind.needs_libtorch) continue;
    const auto fit = fit_retriever(kind.name, too_little, {}, {.clock = kClock});
    EXPECT_TRUE(fit || fit.error().code == ErrorCode::kInvalidArgument) << kind.name;
  }
}

TEST(FitSasrec, SaysWhenThereIsNothingToLearnFrom) {
  const auto fit = fit_retriever(
      "sasrec", rapport::testing::made_up_dataset({{0, 1, 2}, {2, 1}}, 3), {}, {.clock = kClock});
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(fit.error().message, HasSubstr("four interactions"));
}

#if RAPPORT_LIMITS_MEMORY
/// Never returns: trains what does not fit into 256 MiB more than the process has.
[[noreturn]] void train_with_little_memory(const data::Dataset& dataset) {
  rapport::testing::allow_no_more_memory_than(256 << 20);
  Assignments large = kSmall;
  large.front() = {"dimension", "4096"};
  const auto fit = fit_retriever("sasrec", dataset, large, {.clock = kClock, .threads = 2});
  if (fit) std::exit(1);
  fmt::print(stderr, "{}", fit.error().message);
  std::exit(fit.error().code == ErrorCode::kInternal ? 0 : 2);
}

TEST(FitSasrecDeathTest, SaysThatItDoesNotFitIntoMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const data::Dataset dataset = rapport::testing::random_dataset(60, 20, 1);
  ASSERT_TRUE(fit_retriever("sasrec", dataset, kSmall, {.clock = kClock}));  // loads the library
  EXPECT_EXIT(train_with_little_memory(dataset), ::testing::ExitedWithCode(0),
              "does not fit into memory.*lower dimension");
}
#endif

}  // namespace
}  // namespace rapport::retrieval
