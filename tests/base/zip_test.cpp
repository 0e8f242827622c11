#include "rapport/base/zip.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

using ::testing::HasSubstr;

const std::vector<ZipEntry> kEntries = {
    {"manifest.json", "{}"}, {"folder/turns.jsonl", std::string(300'000, 'x')}, {"empty", ""}};

std::string zip() {
  const auto made = write_zip(kEntries);
  EXPECT_TRUE(made) << made.error().message;
  return made.value_or("");
}

std::string all(std::istream& stream) {
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(Zip, WhatIsPackedIsUnpackedInItsOrder) {
  const auto read = read_zip(zip());
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), kEntries.size());
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    EXPECT_EQ((*read)[i].name, kEntries[i].name);
    EXPECT_EQ((*read)[i].bytes, kEntries[i].bytes);
  }
  EXPECT_LT(zip().size(), 10'000u) << "deflated";
  EXPECT_EQ(zip(), zip()) << "the same entries, the same bytes";
  EXPECT_TRUE(is_zip(zip()));
  EXPECT_FALSE(is_zip("[]"));
}

TEST(Zip, EveryTruncationIsRefused) {
  const std::string whole = zip();
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 97) {
    const auto refused = read_zip(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(refused) << size;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(Zip, AChangedByteOfAFileIsNoticed) {
  std::string changed = *write_zip({{"a", "xylophone"}});
  const std::size_t at = changed.find('a', 30) + 4;
  changed[at] = static_cast<char>(changed[at] ^ 1);
  EXPECT_FALSE(read_zip(changed));
}

TEST(Zip, LimitsHoldWhateverTheArchiveClaims) {
  EXPECT_EQ(read_zip(zip(), {.max_entries = 2}).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read_zip(zip(), {.max_bytes = 299'999}).error().code, ErrorCode::kTooLarge);
  EXPECT_TRUE(read_zip(zip(), {.max_entries = 3, .max_bytes = 300'002}));
}

TEST(Zip, OneFileIsReadAsAStream) {
  testing::TemporaryDirectory folder;
  std::ofstream(folder.file("a.zip"), std::ios::binary) << zip();
  for (const char* name : {"folder/turns.jsonl", "turns.jsonl"}) {
    const auto stream = open_in_zip(folder.file("a.zip"), name);
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ(all(**stream), kEntries[1].bytes);
  }
  EXPECT_EQ(open_in_zip(folder.file("a.zip"), "nothing").error().code, ErrorCode::kNotFound);
  EXPECT_THAT(open_in_zip(folder.file("no.zip"), "a").error().message, HasSubstr("no.zip"));
  const std::string bytes = zip();
  EXPECT_EQ(all(**open_in_zip_bytes(bytes, "manifest.json")), "{}");
}

}  // namespace
}  // namespace rapport::base
