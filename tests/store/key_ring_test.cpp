#include "rapport/store/key_ring.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <thread>

#include "rapport/base/files.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

using ::testing::MatchesRegex;

class KeyRingTest : public ::testing::Test {
 protected:
  Result<KeyRing> open() { return KeyRing::open(keys_, random_); }
  KeyRing ring() { return *open(); }
  static unsigned mode(const std::filesystem::path& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }

  testing::TemporaryDirectory folder_;
  base::SystemRandom random_;
  const std::filesystem::path keys_ = folder_.path() / "home" / "keys";
  const std::filesystem::path key_ = keys_ / "pseudonym.key";
};

TEST_F(KeyRingTest, AFirstOpeningMakesAPrivateKeyAndALaterOneReadsIt) {
  ASSERT_TRUE(ok(open()));
  EXPECT_EQ(mode(keys_), 0700u);
  EXPECT_EQ(mode(key_), 0600u);
  EXPECT_EQ(std::filesystem::file_size(key_), 32u);
  const auto files = std::filesystem::directory_iterator(keys_);
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  EXPECT_EQ(ring().pseudonym("default", "sam"), ring().pseudonym("default", "sam"));
}

TEST_F(KeyRingTest, NamesMadeWithTheKeyAreOpaqueAndStable) {
  const KeyRing keys = ring();
  const std::string sam = keys.pseudonym("default", "sam");
  EXPECT_THAT(sam, MatchesRegex("u_[a-z2-7]{26}"));
  EXPECT_THAT(keys.upstream_pseudonym(sam), MatchesRegex("user_[a-z2-7]{26}"));
  EXPECT_THAT(keys.index_key(), MatchesRegex("[0-9a-f]{64}"));
}

TEST_F(KeyRingTest, PseudonymsAreThoseOfThePublishedConstruction) {
  // Worked out with Python's hashlib.blake2b(digest_size=32, key=…) and base64.b32encode: the names
  // of stored users must never change.
  ASSERT_TRUE(ok(base::ensure_directory(keys_, 0700)));
  ASSERT_TRUE(ok(base::write_file_atomically(key_, std::string(32, 'k'), 0600)));
  EXPECT_EQ(ring().pseudonym("default", "sam"), "u_qfdteac7dwycevlry22j2idmoo");
  EXPECT_EQ(ring().upstream_pseudonym("u_1"), "user_lcrtefoegajzflvoxtijiwyfzi");
  EXPECT_EQ(ring().index_key(), "62f1076c8891329a7c523c84e34e404def12ed9d86b87b8eaf43e88e5f90eb47");
}

TEST_F(KeyRingTest, DifferentUsersHaveDifferentPseudonyms) {
  const KeyRing keys = ring();
  const std::pair<std::string, std::string> users[] = {
      {"default", "sam"}, {"default", "Sam"}, {"shop", "sam"}, {"ab", "c"},
      {"a", "bc"},        {"", "abc"},        {"abc", ""},     {"a", std::string(1, 0)},
      {"a", ""},          {"1:a", ""},        {"a1:b", "c"},   {"a", "1:bc"}};
  std::set<std::string> names;
  for (const auto& [app, name] : users) names.insert(keys.pseudonym(app, name));
  EXPECT_EQ(names.size(), std::size(users));

  std::filesystem::remove(key_);
  EXPECT_FALSE(names.contains(ring().pseudonym("default", "sam")));
}

TEST_F(KeyRingTest, OpenedByManyAtOnceThereIsOneKey) {
  std::vector<std::string> names(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& name : names) {
      threads.emplace_back([&] {
        const Result<KeyRing> keys = open();
        if (keys) name = keys->pseudonym("default", "sam");
      });
    }
  }
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()),
            std::set<std::string>{ring().pseudonym("default", "sam")});
}

TEST_F(KeyRingTest, AKeyThatOthersMayReadIsRefusedWithTheRemedy) {
  ring();
  for (const mode_t open_mode : {0640, 0604, 0620, 0666}) {
    ::chmod(key_.c_str(), open_mode);
    EXPECT_TRUE(fails(open(), ErrorCode::kPermissionDenied, "chmod 600 " + key_.string()));
  }
  ::chmod(key_.c_str(), 0400);
  EXPECT_TRUE(ok(open()));
}

TEST_F(KeyRingTest, AKeyOfAnotherSizeIsNotReplaced) {
  ring();
  for (const std::size_t size : {0, 31, 33}) {
    ASSERT_TRUE(ok(base::write_file_atomically(key_, std::string(size, 'x'), 0600)));
    EXPECT_TRUE(fails(open(), ErrorCode::kCorrupt, key_.string()));
    EXPECT_EQ(std::filesystem::file_size(key_), size);
  }
}

TEST_F(KeyRingTest, AHomeThatCannotBeWrittenIsNamed) {
  ASSERT_TRUE(ok(base::write_file_atomically(folder_.path() / "home", "a file", 0600)));
  EXPECT_TRUE(fails(open(), ErrorCode::kIo, "home"));
}

}  // namespace
}  // namespace rapport::store
