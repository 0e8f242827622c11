#include "rapport/language/embedded_text.h"

#include <gtest/gtest.h>

#include <random>

#include "rapport/base/text.h"

namespace rapport::language {
namespace {

/// The pieces that come out when these go in, the last from `finish`.
std::vector<std::string> pieces(std::vector<std::string> stop, const std::vector<std::string>& in) {
  TextStream stream(std::move(stop));
  std::vector<std::string> out;
  for (const std::string& bytes : in) out.push_back(stream.push(bytes));
  out.push_back(stream.finish());
  return out;
}

struct StreamCase {
  const char* behaviour;
  std::vector<std::string> stop;
  std::vector<std::string> in;
  std::vector<std::string> out;
};

TEST(TextStream, SendsWhatIsCertain) {
  const StreamCase cases[] = {
      {"plain text goes straight through", {}, {"Hel", "lo"}, {"Hel", "lo", ""}},
      {"a split character waits for its end", {}, {"\xF0\x9F", "\x98\x80!"}, {"", "😀!", ""}},
      {"an unfinished character is dropped", {}, {"a\xE4\xBD"}, {"a", ""}},
      {"a byte that begins no character becomes U+FFFD",
       {},
       {"a\xFF", "b"},
       {"a\xEF\xBF\xBD", "b", ""}},
      {"a stop string in one piece ends the text", {"END"}, {"one END two"}, {"one ", ""}},
      {"a stop string over three pieces is never sent",
       {"\n\nUser:"},
       {"Yes.\n", "\nUs", "er: No"},
       {"Yes.", "", "", ""}},
      {"what merely begins like one is sent when it turns out not to be",
       {"STOP"},
       {"ST", "OR", "M"},
       {"", "STOR", "M", ""}},
      {"what merely begins like one is sent at the end", {"STOP"}, {"go STO"}, {"go ", "STO"}},
      {"the earliest of two stop strings counts", {"b", "ab"}, {"xab"}, {"x", ""}},
      {"a stop string that overlaps its own beginning", {"aab"}, {"aa", "ab"}, {"", "a", ""}},
      {"a stop string of several bytes a character",
       {"。"},
       {"好\xE3\x80", "\x82然"},
       {"好", "", ""}},
  };
  for (const StreamCase& c : cases) EXPECT_EQ(pieces(c.stop, c.in), c.out) << c.behaviour;
}

TEST(TextStream, SaysThatItStoppedAndSendsNothingMore) {
  TextStream stream({"."});
  EXPECT_EQ(stream.push("a"), "a");
  EXPECT_FALSE(stream.stopped());
  EXPECT_EQ(stream.push("b. c"), "b");
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.push("d"), "");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.sent_bytes(), 2u);
}

// However the bytes are cut into pieces, the text is the same, and each piece is whole characters.
TEST(TextStream, DoesNotShowHowItsBytesWereCut) {
  const std::string bytes =
      "Voilà: 你好 — 👩‍👩‍👧 and e\xCC\x81, then a stray \xC3 byte; STO ST STOP "
      "not "
      "this";
  const std::string whole = pieces({"STOP", "zzz"}, {bytes})[0];
  EXPECT_EQ(
      whole,
      "Voilà: 你好 — 👩‍👩‍👧 and e\xCC\x81, then a stray \xEF\xBF\xBD byte; STO "
      "ST ");
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    TextStream stream({"STOP", "zzz"});
    std::string text;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t size = std::uniform_int_distribution<std::size_t>(0, 6)(random);
      const std::string piece = stream.push(bytes.substr(at, size));
      ASSERT_TRUE(base::is_utf8(piece));
      text += piece;
      at += size;
    }
    text += stream.finish();
    ASSERT_EQ(text, whole);
  }
}

}  // namespace
}  // namespace rapport::language
