#include "rapport/base/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/utf8_samples.h"
#include "rapport/base/files.h"
#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

using ::testing::HasSubstr;

TEST(Digest, IsBlake2b256) {
  // As Python's hashlib.blake2b(…, digest_size=32) has it.
  EXPECT_EQ(digest(""), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(digest("abc"), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
  EXPECT_EQ(digest("abc", "0123456789abcdef"),
            "66b4857d42c644c61fca8c0bcea243e0e75088582c7964bbac6b92c02381d9c7");
}

TEST(DigestDeathTest, AKeyThatCannotBeUsedEndsTheProgramRatherThanGoUnkeyed) {
  EXPECT_DEATH(digest("abc", "short"), "");
  EXPECT_DEATH(digest("abc", std::string(65, 'k')), "");
}

TEST(Sha256File, AgreesWithReferenceValues) {
  const rapport::testing::TemporaryDirectory folder;
  std::string bytes;
  for (int i = 0; i < 256'000; ++i) bytes += static_cast<char>(i);
  ASSERT_TRUE(write_file_atomically(folder.file("empty"), ""));
  ASSERT_TRUE(write_file_atomically(folder.file("many pieces"), bytes));
  EXPECT_EQ(sha256_file(folder.file("empty")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_file(folder.file("many pieces")),
            "b57b64b198d5d59ce5a22a9b9f25e72a7d081476d432051aa923f3dbebb90934");
}

TEST(Sha256File, NamesTheFileItCannotRead) {
  const rapport::testing::TemporaryDirectory folder;
  for (const std::string& path : {folder.file("none"), folder.path().string()}) {
    const auto sum = sha256_file(path);
    ASSERT_FALSE(sum);
    EXPECT_EQ(sum.error().code, ErrorCode::kIo);
    EXPECT_THAT(sum.error().message, HasSubstr(path));
  }
}

TEST(EqualInConstantTime, Compares) {
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
  EXPECT_FALSE(equal_in_constant_time("", "a"));
}

TEST(Base64, AgreesWithRfc4648) {
  struct Case {
    const char* bytes;
    const char* text;
  };
  for (const Case& c : {Case{"", ""}, Case{"f", "Zg=="}, Case{"fo", "Zm8="}, Case{"foo", "Zm9v"},
                        Case{"foob", "Zm9vYg=="}, Case{"fooba", "Zm9vYmE="},
                        Case{"foobar", "Zm9vYmFy"}, Case{"\xFB\xFF", "+/8="}}) {
    EXPECT_EQ(to_base64(c.bytes), c.text);
    EXPECT_EQ(from_base64(c.text), c.bytes);
  }
}

TEST(Base64, RefusesWhatIsNotIt) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zg===", "Zg==Zg==", "Zm9v\n", " Zm9v", "Zm-v", "Zm_v",
                           "=", "Zh==", "Zm9=", "é"}) {
    const auto bytes = from_base64(text);
    ASSERT_FALSE(bytes) << text;
    EXPECT_EQ(bytes.error().code, ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(from_base64(std::string_view("Zm9v\0", 5)));
}

RC_GTEST_PROP(Base64, RoundTripsAnyBytes, ()) {
  const std::string bytes = *any_bytes();
  const std::string text = to_base64(bytes);
  RC_ASSERT(text.size() == (bytes.size() + 2) / 3 * 4);
  RC_ASSERT(from_base64(text).value() == bytes);
}

// One text a value: no two texts may pass for the same bytes.
RC_GTEST_PROP(Base64, AcceptsOnlyWhatItWouldWrite, ()) {
  const std::string text = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("ABCDEFGHabcdefgh01234567+/==")));
  if (const auto bytes = from_base64(text)) RC_ASSERT(to_base64(*bytes) == text);
}

}  // namespace
}  // namespace rapport::base
