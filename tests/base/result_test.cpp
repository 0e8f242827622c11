#include "rapport/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace rapport {
namespace {

Result<int> positive(int value) {
  if (value <= 0) return fail(ErrorCode::kInvalidArgument, "not positive", "value", "too_small");
  return value;
}

Result<int> sum(int a, int b) {
  TRY(const int first, positive(a));
  TRY(const int second, positive(b));
  return first + second;
}

Result<void> check(int a) {
  TRY_VOID(positive(a));
  return {};
}

TEST(Result, TryTakesTheValueOrReturnsTheWholeError) {
  EXPECT_EQ(sum(1, 2), 3);
  EXPECT_TRUE(check(1));
  for (const Error& error : {sum(0, 2).error(), sum(2, 0).error(), check(0).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.message, "not positive");
    EXPECT_EQ(error.param, "value");
    EXPECT_EQ(error.reason, "too_small");
    EXPECT_FALSE(error.retry_after);
  }
}

TEST(Result, TryMovesWhatCannotBeCopied) {
  const auto make = [] { return Result<std::unique_ptr<int>>(std::make_unique<int>(7)); };
  const auto use = [&]() -> Result<int> {
    TRY(const auto held, make());
    return *held;
  };
  EXPECT_EQ(use(), 7);
}

TEST(ErrorCode, EachHasItsOwnStableName) {
  std::set<std::string_view> names;
  int count = 0;
  for (int code = 0; code <= static_cast<int>(ErrorCode::kIo); ++code, ++count)
    names.insert(name(static_cast<ErrorCode>(code)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(count));
  EXPECT_EQ(name(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(name(ErrorCode::kIo), "io");
}

}  // namespace
}  // namespace rapport
