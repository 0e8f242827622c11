#include "rapport/data/table_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "source_files.h"

namespace rapport::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// The fields of each line, or the error that ended it.
std::vector<std::string> read(std::string_view bytes, TableLayout layout, std::size_t columns) {
  const SourceFiles files;
  std::vector<std::string> lines;
  auto table = TableReader::open(files.write("f", bytes), std::move(layout), {});
  if (!table) return {table.error().message};
  while (true) {
    const auto more = table->next();
    if (!more) {
      lines.push_back(more.error().message);
      return lines;
    }
    if (!*more) return lines;
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) line += "[" + std::string((*table)[c]) + "]";
    lines.push_back(line);
  }
}

TEST(TableReader, SplitsAtTheSeparator) {
  EXPECT_THAT(read("a\tb\n1\t2\n\t\n", {.separator = "\t"}, 2), ElementsAre("[1][2]", "[][]"));
  EXPECT_THAT(read("1::x:y::3\n", {.separator = "::", .columns = {"a", "b", "c"}}, 3),
              ElementsAre("[1][x:y][3]"));
}

TEST(TableReader, ReadsQuotedFieldsAsRfc4180HasThem) {
  const auto fields = [](std::string_view line, std::size_t columns) {
    return read(line, {.separator = ",", .quoted = true, .columns = {"a", "b", "c"}}, columns)
        .front();
  };
  EXPECT_EQ(fields("1,\"Good, the Bad\",3", 3), "[1][Good, the Bad][3]");
  EXPECT_EQ(fields(R"("say ""hi""","",x)", 3), R"([say "hi"][][x])");
  EXPECT_EQ(fields(R"(a"b,,"""")", 3), R"([a"b][]["])");
  EXPECT_THAT(fields("1,\"open,3", 3), HasSubstr("f:1: a quoted field does not end on its line"));
  EXPECT_THAT(fields("1,\"a\"b,3", 3), HasSubstr("goes on after its closing quote"));
}

TEST(TableReader, EveryLineHasTheFieldsOfTheHeader) {
  EXPECT_THAT(read("a,b\n1,2\n3\n", {}, 2),
              ElementsAre("[1][2]", HasSubstr("f:3: 1 field, expected 2: \"a, b\"")));
  const TableLayout optional{.separator = ",", .columns = {"a", "b", "c"}, .optional_columns = 1};
  EXPECT_THAT(read("1,2\n3,4\n", optional, 3), ElementsAre("[1][2][]", "[3][4][]"));
  EXPECT_THAT(read("1,2\n3,4,5\n", optional, 3),
              ElementsAre("[1][2][]", HasSubstr("3 fields, expected 2")));
  EXPECT_THAT(read("1\n", optional, 3), ElementsAre(HasSubstr("1 field, expected 2: \"a, b\"")));
}

TEST(TableReader, AHeaderNamesEachColumnOnceAndWithItsTypeWhereItMust) {
  EXPECT_THAT(read("a,a\n", {}, 2), ElementsAre(HasSubstr("f:1: the header names \"a\" twice")));
  EXPECT_THAT(read("a:token,b\n", {.typed = true}, 2),
              ElementsAre(HasSubstr("the column \"b\" has no type")));
  EXPECT_THAT(read("a:word\n", {.typed = true}, 2), ElementsAre(HasSubstr("has no type")));
  EXPECT_THAT(read("\n\n", {}, 2), ElementsAre(HasSubstr("no header")));
  EXPECT_THAT(read("a:token,b:float\n1,2\n", {.typed = true}, 2), ElementsAre("[1][2]"));
}

TEST(TableReader, SaysWhatAMissingColumnWouldBeCalledAndWhatThereIsInstead) {
  const SourceFiles files;
  const auto table = TableReader::open(files.write("f", "uid,thing\n"), {}, {}).value();
  EXPECT_EQ(table.require("the user", {"user_id", "uid"}), 0u);
  const auto missing = table.require("the item", {"item_id", "itemId"});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message,
              HasSubstr("f:1: there is no column for the item: expected item_id or itemId, and the "
                        "file has \"uid, thing\""));
}

TEST(TableReader, ANumberIsFiniteAndAllOfItsField) {
  const SourceFiles files;
  auto table = TableReader::open(
                   files.write("f", "n\n4.5\n-1e3\nx7\n7x\nnan\ninf\n1e999\n0x10\n 1\n"), {}, {})
                   .value();
  for (const double expected : {4.5, -1000.0}) {
    ASSERT_TRUE(table.next().value());
    EXPECT_EQ(table.number(0).value(), expected);
  }
  for (const char* wrong : {"x7", "7x", "nan", "inf", "1e999", "0x10", " 1"}) {
    ASSERT_TRUE(table.next().value());
    const auto number = table.number(0);
    ASSERT_FALSE(number) << wrong;
    EXPECT_THAT(number.error().message,
                HasSubstr("n is \"" + std::string(wrong) + "\": expected a number"));
  }
}

TEST(TableReader, AnErrorShowsALongValueCut) {
  EXPECT_EQ(shown("short"), "\"short\"");
  EXPECT_LT(shown(std::string(10'000, 'x')).size(), 80u);
}

}  // namespace
}  // namespace rapport::data
