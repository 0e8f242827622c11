#include "rapport/data/line_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rapport/base/files.h"
#include "source_files.h"

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

struct Reading {
  std::vector<std::string> lines;
  std::optional<Error> error;
};

Reading read(const std::string& path, ReadOptions options = {}, Encoding encoding = {}) {
  Reading reading;
  auto lines = LineReader::open(path, std::move(options), encoding);
  if (!lines) return {{}, lines.error()};
  while (true) {
    const auto more = lines->next();
    if (!more) {
      reading.error = more.error();
      return reading;
    }
    if (!*more) return reading;
    reading.lines.emplace_back(lines->text());
  }
}

TEST(LineReader, ReadsLinesHoweverTheyEnd) {
  const SourceFiles files;
  const auto lines = [&](std::string_view bytes) { return read(files.write("f", bytes)).lines; };
  EXPECT_THAT(lines("a\nb\n"), ElementsAre("a", "b"));
  EXPECT_THAT(lines("a\r\nb"), ElementsAre("a", "b"));
  EXPECT_THAT(lines("\n\na\n\n\nb\n\n"), ElementsAre("a", "b")) << "blank lines are passed over";
  EXPECT_THAT(lines("\xEF\xBB\xBF"
                    "a\n\xC3\xA9"),
              ElementsAre("a", "é"));
  EXPECT_THAT(lines("\n"), ElementsAre());
}

TEST(LineReader, ReadsGzipAsItReadsPlainTextAndTellsTheBytesOnTheDisk) {
  const SourceFiles files;
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 200'000; ++i) {
    expected.push_back("line " + std::to_string(i));
    text += expected.back() + "\n";
  }
  for (const std::string& path : {files.write("f.txt", text), files.write_gzip("f.gz", text)}) {
    std::int64_t told = 0;
    const Reading reading = read(path, {.on_bytes = [&](std::int64_t bytes) { told += bytes; }});
    EXPECT_EQ(reading.error, std::nullopt);
    EXPECT_EQ(reading.lines, expected);
    EXPECT_EQ(told, static_cast<std::int64_t>(std::filesystem::file_size(path)));
  }
}

TEST(LineReader, RefusesWhatIsNoTextWithTheLineAndTheRemedy) {
  const SourceFiles files;
  const std::string gzip =
      base::read_file(files.write_gzip("whole.gz", "one\ntwo\nthree\n")).value();
  std::string damaged = gzip;
  damaged[gzip.size() / 2] = static_cast<char>(damaged[gzip.size() / 2] ^ 0x55);
  struct Case {
    std::string bytes, message;
  };
  const Case cases[] = {
      {"", "f is empty"},
      {gzip.substr(0, gzip.size() - 12), "the gzip data end early"},
      {gzip.substr(0, 15), "f:1: the gzip data end early"},
      {damaged, "the gzip data are damaged"},
      {"one\ntwo\xFF\n", "f:2: the line is not UTF-8"},
      {"one\n\xED\xA0\x80\n", "f:2: the line is not UTF-8"},
  };
  for (const Case& c : cases) {
    const auto error = read(files.write("f", c.bytes)).error;
    ASSERT_TRUE(error) << c.message;
    EXPECT_EQ(error->code, ErrorCode::kInvalidArgument) << c.message;
    EXPECT_THAT(error->message, HasSubstr(c.message));
  }
  EXPECT_EQ(read(files.path("none")).error->code, ErrorCode::kNotFound);
  EXPECT_THAT(read(files.path("none")).error->message, HasSubstr(files.path("none")));
  const std::string folder = std::filesystem::path(files.path("f")).parent_path().string();
  EXPECT_EQ(read(folder).error->code, ErrorCode::kIo);
}

TEST(LineReader, BoundsALineAndItsOwnMemory) {
  const SourceFiles files;
  const std::string fits(100, 'x');
  const auto at_bound = read(files.write("f", fits + "\ny\n"), {.max_line_bytes = 100});
  EXPECT_EQ(at_bound.error, std::nullopt);
  EXPECT_EQ(at_bound.lines.size(), 2u);
  for (const char* end : {"", "\n", "\nshort\n"}) {
    const Reading reading =
        read(files.write("f", "ok\n" + fits + "x" + end), {.max_line_bytes = 100});
    ASSERT_TRUE(reading.error);
    EXPECT_EQ(reading.error->code, ErrorCode::kTooLarge);
    EXPECT_THAT(reading.error->message, HasSubstr("f:2: the line is longer than 100 bytes"));
    EXPECT_THAT(reading.lines, ElementsAre("ok"));
  }
}

TEST(LineReader, TakesLatin1WhereItMayAndCountsIt) {
  const SourceFiles files;
  auto lines = LineReader::open(files.write("f", "Les Mis\xE9rables\nAm\xC3\xA9lie\n"), {},
                                Encoding::kUtf8OrLatin1)
                   .value();
  ASSERT_TRUE(lines.next().value());
  EXPECT_EQ(lines.text(), "Les Misérables");
  ASSERT_TRUE(lines.next().value());
  EXPECT_EQ(lines.text(), "Amélie");
  EXPECT_EQ(lines.latin1_lines(), 1);
}

}  // namespace
}  // namespace rapport::data
