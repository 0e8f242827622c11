#include "rapport/base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/utf8_samples.h"

namespace rapport::base {
namespace {

using ::testing::ElementsAreArray;

/// The bytes of `text` that are a proper beginning of some character, for every length up to 3.
std::vector<bool> prefixes_of_characters() {
  std::vector<bool> is_prefix(std::size_t{1} << 24);
  for (char32_t code = 0x80; code <= 0x10FFFF; ++code) {
    if (!is_scalar_value(code)) continue;
    const std::string bytes = encode_utf8(code);
    std::size_t key = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
      key = key << 8 | static_cast<unsigned char>(bytes[i]);
      is_prefix[key] = true;  // a lead byte is never zero, so lengths do not mix
    }
  }
  return is_prefix;
}

TEST(IsUtf8, AgreesWithTheEncodingOnEveryThreeBytesThatALeadByteBegins) {
  std::vector<bool> is_character(std::size_t{1} << 24);
  for (char32_t code = 0x800; code <= 0xFFFF; ++code) {
    if (!is_scalar_value(code)) continue;
    const std::string bytes = encode_utf8(code);
    is_character[static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 16 |
                 static_cast<std::size_t>(static_cast<unsigned char>(bytes[1])) << 8 |
                 static_cast<unsigned char>(bytes[2])] = true;
  }
  for (std::size_t key = 0xE00000; key <= 0xFFFFFF; ++key) {
    const std::string bytes = {static_cast<char>(key >> 16), static_cast<char>(key >> 8),
                               static_cast<char>(key)};
    ASSERT_EQ(is_utf8(bytes), is_character[key]) << std::hex << key;
  }
}

TEST(IsUtf8, KnowsTheBordersOfFourByteCharacters) {
  EXPECT_TRUE(is_utf8("\xF0\x90\x80\x80"));   // U+10000
  EXPECT_TRUE(is_utf8("\xF4\x8F\xBF\xBF"));   // U+10FFFF
  EXPECT_FALSE(is_utf8("\xF0\x8F\xBF\xBF"));  // overlong
  EXPECT_FALSE(is_utf8("\xF4\x90\x80\x80"));  // above U+10FFFF
  EXPECT_FALSE(is_utf8("\xF5\x80\x80\x80"));
  EXPECT_FALSE(is_utf8("\xF0\x90\x80"));  // cut
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

RC_GTEST_PROP(IsUtf8, AcceptsWhateverIsEncodedRight, ()) {
  RC_ASSERT(is_utf8(*valid_utf8()));
}

TEST(ToValidUtf8, ReplacesEachIllFormedByte) {
  EXPECT_EQ(to_valid_utf8("a\xFF\xFE z"), "a\uFFFD\uFFFD z");
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), "\uFFFD\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD") << "a surrogate";
}

RC_GTEST_PROP(ToValidUtf8, IsValidAndLeavesValidTextAlone, ()) {
  RC_ASSERT(is_utf8(to_valid_utf8(*any_bytes())));
  RC_ASSERT(is_utf8(to_valid_utf8(*nearly_utf8())));
  const std::string valid = *valid_utf8();
  RC_ASSERT(to_valid_utf8(valid) == valid);
}

TEST(IncompleteUtf8Tail, HoldsBackExactlyWhatCanStillBecomeACharacter) {
  const std::vector<bool> is_prefix = prefixes_of_characters();
  // Every one, two and three bytes; 'x' in front stands for what has gone before.
  for (std::size_t first = 0x80; first < 0x100; ++first) {
    const std::string one = {'x', static_cast<char>(first)};
    ASSERT_EQ(incomplete_utf8_tail(one), is_prefix[first] ? 1u : 0u) << std::hex << first;
    for (std::size_t second = 0x80; second < 0xC0; ++second) {
      const std::string two = one + static_cast<char>(second);
      ASSERT_EQ(incomplete_utf8_tail(two), is_prefix[first << 8 | second] ? 2u : 0u)
          << std::hex << first << ' ' << second;
      for (std::size_t third = 0x80; third < 0xC0; ++third) {
        const std::string three = two + static_cast<char>(third);
        ASSERT_EQ(incomplete_utf8_tail(three),
                  is_prefix[first << 16 | second << 8 | third] ? 3u : 0u)
            << std::hex << first << ' ' << second << ' ' << third;
      }
    }
  }
  EXPECT_EQ(incomplete_utf8_tail(""), 0u);
  EXPECT_EQ(incomplete_utf8_tail("a"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("é"), 0u);
  EXPECT_EQ(incomplete_utf8_tail("\xC3 "), 0u) << "lost already";
}

// What every stream of text relies on.
RC_GTEST_PROP(IncompleteUtf8Tail, HoldingItBackCutsAStreamIntoValidPieces, ()) {
  const std::string text = *valid_utf8();
  std::string held, sent;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = *rc::gen::inRange<std::size_t>(1, 8);
    held += text.substr(at, size);
    at += size;
    const std::size_t ready = held.size() - incomplete_utf8_tail(held);
    RC_ASSERT(is_utf8(held.substr(0, ready)));
    sent += held.substr(0, ready);
    held.erase(0, ready);
  }
  RC_ASSERT(sent == text);
  RC_ASSERT(held.empty());
}

TEST(Nfc, ComposesAndOrdersMarks) {
  EXPECT_EQ(nfc("e\u0301"), "é");
  EXPECT_EQ(nfc("\u1100\u1161"), "가") << "Hangul";
  EXPECT_EQ(nfc("q\u0307\u0323"), "q\u0323\u0307") << "canonical order";
  EXPECT_EQ(nfc("\u212B"), "Å") << "the Ångström sign is the letter";
  EXPECT_EQ(nfc("ﬁ"), "ﬁ") << "a ligature is only compatibility-equivalent";
  EXPECT_EQ(nfc(std::string_view("e\0\u0301", 4)), std::string_view("e\0\u0301", 4));
  EXPECT_EQ(nfc("\xFF").error().code, ErrorCode::kInvalidArgument);
}

TEST(FoldCase, MakesTextsEqualThatDifferInCaseOnly) {
  struct Case {
    const char* one;
    const char* other;
  };
  for (const Case& c :
       {Case{"Straße", "STRASSE"}, Case{"Ωmega", "ωMEGA"}, Case{"ΣΊΣΥΦΟΣ", "σίσυφος"},
        Case{"É", "e\u0301"}, Case{"ẞ", "ss"}, Case{"ПРИВЕТ", "привет"}, Case{"ǅ", "ǆ"},
        Case{"\u03B1\u0345\u0301", "\u1FB4"}, Case{"ASCII", "ascii"}}) {
    EXPECT_EQ(fold_case(c.one), fold_case(c.other)) << c.one;
  }
  EXPECT_NE(fold_case("e"), fold_case("é"));
  EXPECT_EQ(fold_case("A\xFF"), "a\uFFFD");
}

RC_GTEST_PROP(Normalisation, IsIdempotentAndValid, ()) {
  const std::string text = *valid_utf8();
  const std::string composed = nfc(text).value();
  RC_ASSERT(is_utf8(composed));
  RC_ASSERT(nfc(composed).value() == composed);
  const std::string folded = fold_case(text);
  RC_ASSERT(is_utf8(folded));
  RC_ASSERT(fold_case(folded) == folded);
  RC_ASSERT(fold_case(composed) == folded);
}

struct WordsCase {
  const char* behaviour;
  const char* text;
  std::vector<std::string_view> words;
};

TEST(Words, AreRunsOfLettersMarksAndDigits) {
  const WordsCase cases[] = {
      {"spaces and punctuation separate", "Hello, big  world!", {"Hello", "big", "world"}},
      {"an apostrophe between letters joins",
       "I'm vegetarian; don’t ask",
       {"I'm", "vegetarian", "don’t", "ask"}},
      {"a hyphen between letters joins",
       "well-known mother‐in‑law",
       {"well-known", "mother‐in‑law"}},
      {"at the edge of a word they do not",
       "'quoted' -dash- rock 'n' roll",
       {"quoted", "dash", "rock", "n", "roll"}},
      {"nor two of them", "a--b it''s", {"a", "b", "it", "s"}},
      {"nor beside a digit", "covid-19 90's 5'11", {"covid", "19", "90", "s", "5", "11"}},
      {"letters and digits make one word", "b2b mp3 4x4", {"b2b", "mp3", "4x4"}},
      {"a point separates digits", "3.5 1,000", {"3", "5", "1", "000"}},
      {"an underscore separates", "snake_case", {"snake", "case"}},
      {"a mark belongs to its letter", "cafe\u0301 nai\u0308ve", {"cafe\u0301", "nai\u0308ve"}},
      {"a joiner after a marked letter", "e\u0301-a", {"e\u0301-a"}},
      {"a mark by itself is no word", "\u0301 ❤\uFE0F", {}},
      {"scripts with spaces",
       "Привет мир, γειά σου, مرحبا بك",
       {"Привет", "мир", "γειά", "σου", "مرحبا", "بك"}},
      {"digits of any script", "٣٤ १२", {"٣٤", "१२"}},
      {"Indic vowel signs stay in", "नमस्ते दुनिया", {"नमस्ते", "दुनिया"}},
      {"Persian inside-word joiner", "می\u200Cخواهم", {"می\u200Cخواهم"}},
      {"each ideograph is a word", "我吃素ok食", {"我", "吃", "素", "ok", "食"}},
      {"so is each Hiragana; Katakana runs", "すしとコーヒー", {"す", "し", "と", "コーヒー"}},
      {"Korean is written with spaces", "나는 학생", {"나는", "학생"}},
      {"emoji separate", "yes👍🏽no", {"yes", "no"}},
      {"ill-formed bytes separate",
       "a\xFF"
       "b\xE2\x82",
       {"a", "b"}},
      {"nothing", "", {}},
      {"a joiner at the very end", "end-", {"end"}},
  };
  for (const WordsCase& c : cases)
    EXPECT_THAT(words(c.text), ElementsAreArray(c.words)) << c.behaviour;
}

TEST(Words, AreViewsIntoTheText) {
  const std::string text = "  one two";
  const auto found = words(text);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].data(), text.data() + 2);
  EXPECT_EQ(found[1].data(), text.data() + 6);
}

RC_GTEST_PROP(Words, ComeInOrderApartAndWhole, ()) {
  const std::string text = *rc::gen::oneOf(valid_utf8(), nearly_utf8(), any_bytes());
  const char* after = text.data();
  for (const std::string_view word : words(text)) {
    RC_ASSERT(!word.empty());
    RC_ASSERT(word.data() >= after);
    RC_ASSERT(is_utf8(word));
    RC_ASSERT(words(word) == std::vector{word});
    after = word.data() + word.size();
  }
  RC_ASSERT(after <= text.data() + text.size());
}

struct TruncateCase {
  const char* behaviour;
  const char* text;
  std::size_t max_bytes;
  const char* kept;
};

TEST(Truncate, CutsBeforeTheGraphemeThatDoesNotFit) {
  const TruncateCase cases[] = {
      {"what fits stays whole", "abc", 3, "abc"},
      {"a byte too much", "abc", 2, "ab"},
      {"nothing fits in nothing", "abc", 0, ""},
      {"a character is not split", "aé", 2, "a"},
      {"a mark stays with its letter", "ae\u0301", 2, "a"},
      {"a mark stays with its letter, at the border", "ae\u0301b", 4, "ae\u0301"},
      {"a family is one", "x👨‍👩‍👧", 20, "x👨‍👩‍👧"},
      {"and goes as one", "x👨‍👩‍👧", 18, "x"},
      {"a skin tone stays", "👍🏽", 4, ""},
      {"flags come in pairs", "🇩🇪🇫🇷", 15, "🇩🇪"},
      {"a line end is one", "a\r\nb", 2, "a"},
      {"ill-formed bytes stand alone",
       "a\xFF\xFF"
       "b",
       2, "a\xFF"},
  };
  for (const TruncateCase& c : cases)
    EXPECT_EQ(truncate(c.text, c.max_bytes), c.kept) << c.behaviour;
}

TEST(Truncate, DoesNotReadALongTextToItsEnd) {
  // One letter under a million marks is one grapheme, which does not fit.
  std::string zalgo = "a";
  for (int i = 0; i < 1'000'000; ++i) zalgo += "\u0301";
  EXPECT_EQ(truncate("x" + zalgo, 100), "x");
}

RC_GTEST_PROP(Truncate, IsABoundedValidPrefixAndLosesNoMoreThanOneGrapheme, ()) {
  const std::string text = *valid_utf8();
  const std::size_t bound = *rc::gen::inRange<std::size_t>(0, text.size() + 3);
  const std::string_view kept = truncate(text, bound);
  RC_ASSERT(kept.size() <= bound);
  RC_ASSERT(std::string_view(text).starts_with(kept));
  RC_ASSERT(is_utf8(kept));
  RC_ASSERT(truncate(kept, bound) == kept);
  // With the room of one more grapheme, what was kept is still kept.
  RC_ASSERT(truncate(text, bound + 1).starts_with(kept));
}

TEST(Trim, TakesWhiteSpaceOfAnyScriptFromBothEnds) {
  EXPECT_EQ(trim(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim("\u00A0\u2003\u3000x\u2028\u0085"), "x");
  EXPECT_EQ(trim(" \u3000 "), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\u200Bx"), "\u200Bx") << "a zero width space is not white space";
  EXPECT_EQ(trim(" \xFF "), "\xFF");
  EXPECT_EQ(trim("x\x80 "), "x\x80") << "a stray continuation byte is not part of what is trimmed";
}

RC_GTEST_PROP(Trim, IsIdempotentAndIgnoresAddedSpace, ()) {
  const std::string text = *rc::gen::oneOf(valid_utf8(), nearly_utf8());
  const std::string trimmed(trim(text));
  RC_ASSERT(trim(trimmed) == trimmed);
  RC_ASSERT(text.find(trimmed) != std::string::npos);
  const std::string valid = *valid_utf8();
  RC_ASSERT(trim("\u3000 " + valid + "\n") == trim(valid));
}

}  // namespace
}  // namespace rapport::base
