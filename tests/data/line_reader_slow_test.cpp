#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "rapport/data/source.h"
#include "source_files.h"

namespace rapport::data {
namespace {

using ::testing::HasSubstr;

std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

TEST(LineReader, ALineOfAGigabyteCostsNoMoreThanItsBound) {
  const SourceFiles files;
  const std::string path = files.write("huge", "1 ");
  std::filesystem::resize_file(path, 1'000'000'000);  // a hole, which reads as NULs
  const std::int64_t before = peak_bytes();
  for (const Format format :
       {Format::kMovieLens, Format::kAmazon, Format::kSequences, Format::kRecBole, Format::kCsv}) {
    const auto source = read_source(format, {.interactions = path}, {});
    ASSERT_FALSE(source);
    EXPECT_EQ(source.error().code, ErrorCode::kTooLarge);
    EXPECT_THAT(source.error().message, HasSubstr("huge:1: the line is longer than"));
  }
  EXPECT_LT(peak_bytes() - before, 16 << 20);
}

}  // namespace
}  // namespace rapport::data
