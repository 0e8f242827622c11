#include "rapport/base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>

namespace rapport::base {
namespace {

TEST(SeededRandom, IsSplitMix64) {
  // The first values for this seed as published with the algorithm's reference code.
  SeededRandom random(1234567);
  for (const std::uint64_t value :
       {6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u,
        16408922859458223821u}) {
    EXPECT_EQ(random.next(), value);
  }
}

TEST(SeededRandom, DiffersBetweenSeedsOnly) {
  SeededRandom one(1), same(1), other(2);
  const std::string id = one.id("");
  EXPECT_EQ(same.id(""), id);
  EXPECT_NE(other.id(""), id);
}

class AnyRandom : public ::testing::TestWithParam<std::shared_ptr<Random>> {
 protected:
  Random& random() { return *GetParam(); }
};

TEST_P(AnyRandom, FillsExactlyTheBytesAskedFor) {
  for (std::size_t size = 0; size <= 33; ++size) {
    // A byte that stays zero in 32 fills has not been written, but for one chance in 2^256.
    std::vector<std::uint8_t> seen(size + 2), bytes(size + 2);
    for (int round = 0; round < 32; ++round) {
      random().fill(std::span(bytes).subspan(1, size));
      for (std::size_t i = 0; i < bytes.size(); ++i) seen[i] |= bytes[i];
    }
    EXPECT_EQ(seen.front(), 0);
    EXPECT_EQ(seen.back(), 0);
    for (std::size_t i = 1; i <= size; ++i) EXPECT_NE(seen[i], 0) << i << " of " << size;
  }
}

TEST_P(AnyRandom, UniformIsInRangeAndEven) {
  std::array<int, 10> counts{};
  constexpr int kDraws = 20'000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = random().uniform();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++counts[static_cast<std::size_t>(value * 10)];
  }
  // Six standard deviations of a count (42.4): false alarm in less than one run in 10^7.
  for (const int count : counts) EXPECT_NEAR(count, kDraws / 10, 255);
}

TEST_P(AnyRandom, IdsHaveTheirFormUseTheirAlphabetAndNeverMeet) {
  const std::string alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
  std::set<std::string> ids;
  std::array<std::set<char>, 26> letters;
  constexpr std::size_t kIds = 2000;
  for (std::size_t i = 0; i < kIds; ++i) {
    const std::string id = random().id("resp_");
    ASSERT_EQ(id.size(), 5u + 26u);
    ASSERT_TRUE(id.starts_with("resp_"));
    ASSERT_EQ(id.find_first_not_of(alphabet, 5), std::string::npos) << id;
    for (std::size_t at = 0; at < 26; ++at) letters[at].insert(id[5 + at]);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), kIds);
  // Each place holds five random bits: a letter that is missing after 2,000 ids is never drawn.
  for (std::size_t at = 0; at < 26; ++at) EXPECT_EQ(letters[at].size(), 32u) << "place " << at;
}

INSTANTIATE_TEST_SUITE_P(Random, AnyRandom,
                         ::testing::Values(std::make_shared<SystemRandom>(),
                                           std::make_shared<SeededRandom>(7)),
                         [](const auto& tested) {
                           return tested.index == 0 ? "System" : "Seeded";
                         });

}  // namespace
}  // namespace rapport::base
