#include "rapport/store/key_ring.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <thread>

#include "rapport/base/files.h"
#include "rapport/store/user_keys.h"
#include "store_samples.h"
#include "testing/temporary_directory.h"

namespace rapport::store {
namespace {

using ::testing::MatchesRegex;
using ::testing::UnorderedElementsAre;

const std::string kHex = std::string(64, 'a');
const std::string kOtherHex = std::string(64, 'b');

class KeyRingTest : public ::testing::Test {
 protected:
  Result<KeyRing> open(const MasterKeySources& sources = {}) {
    return KeyRing::open(keys_, random_, sources);
  }
  KeyRing ring(const MasterKeySources& sources = {}) { return *open(sources); }
  std::string sam(const MasterKeySources& sources = {}) {
    return ring(sources).pseudonym("default", "sam");
  }
  Result<MasterKeySource> rotate(const MasterKeySources& sources,
                                 std::optional<MasterKeySource> to = {}) {
    return KeyRing::rotate_master_key(keys_, random_, sources, to);
  }
  static unsigned mode(const std::filesystem::path& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(keys_)) {
      names.push_back(file.path().filename());
    }
    return names;
  }

  testing::TemporaryDirectory folder_;
  base::SystemRandom random_;
  base::ManualClock clock_;
  const std::filesystem::path keys_ = folder_.path() / "home" / "keys";
  const std::filesystem::path ring_ = keys_ / "keyring.json";
  const std::filesystem::path master_ = keys_ / "master.key";
  const std::filesystem::path old_ = keys_ / "pseudonym.key";
};

TEST_F(KeyRingTest, AFirstOpeningMakesPrivateFilesAndALaterOneReadsThem) {
  ASSERT_TRUE(ok(open()));
  EXPECT_EQ(mode(keys_), 0700u);
  for (const auto& file : {ring_, master_}) EXPECT_EQ(mode(file), 0600u);
  EXPECT_THAT(files(), UnorderedElementsAre("keyring.json", "master.key", "keyring.lock"));
  EXPECT_THAT(value_of(base::read_file(master_)), MatchesRegex("[0-9a-f]{64}\n"));
  EXPECT_EQ(sam(), sam());
}

TEST_F(KeyRingTest, NamesMadeWithTheKeyAreOpaqueAndStable) {
  const KeyRing keys = ring();
  const std::string sam = keys.pseudonym("default", "sam");
  EXPECT_THAT(sam, MatchesRegex("u_[a-z2-7]{26}"));
  EXPECT_THAT(keys.upstream_pseudonym(sam), MatchesRegex("user_[a-z2-7]{26}"));
  EXPECT_THAT(keys.index_key(), MatchesRegex("[0-9a-f]{64}"));
}

TEST_F(KeyRingTest, TheKeyOfARapportBeforeTheRingIsTakenOverAndItsFileRemoved) {
  // Worked out with Python's hashlib.blake2b(digest_size=32, key=…) and base64.b32encode: the names
  // of stored users must never change.
  ASSERT_TRUE(ok(base::ensure_directory(keys_, 0700)));
  ASSERT_TRUE(ok(base::write_file_atomically(old_, std::string(32, 'k'), 0600)));
  for (int opening = 0; opening < 2; ++opening) {
    EXPECT_EQ(sam(), "u_qfdteac7dwycevlry22j2idmoo");
    EXPECT_EQ(ring().upstream_pseudonym("u_1"), "user_lcrtefoegajzflvoxtijiwyfzi");
    EXPECT_EQ(ring().index_key(),
              "62f1076c8891329a7c523c84e34e404def12ed9d86b87b8eaf43e88e5f90eb47");
    EXPECT_FALSE(std::filesystem::exists(old_));
  }
  // As one that was killed before it removed the file leaves it.
  ASSERT_TRUE(ok(base::write_file_atomically(old_, std::string(32, 'k'), 0600)));
  EXPECT_TRUE(ok(open()));
  EXPECT_FALSE(std::filesystem::exists(old_));
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

  std::filesystem::remove(ring_);
  EXPECT_FALSE(names.contains(sam()));
}

TEST_F(KeyRingTest, OpenedByManyAtOnceThereIsOneRing) {
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
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), std::set<std::string>{sam()});
}

TEST_F(KeyRingTest, AFileThatOthersMayReadIsRefusedWithTheRemedy) {
  ring();
  for (const auto& file : {ring_, master_}) {
    for (const mode_t open_mode : {0640, 0604, 0620, 0666}) {
      ::chmod(file.c_str(), open_mode);
      EXPECT_TRUE(fails(open(), ErrorCode::kPermissionDenied, "chmod 600 " + file.string()));
    }
    ::chmod(file.c_str(), 0400);
    EXPECT_TRUE(ok(open()));
  }
}

TEST_F(KeyRingTest, AWrongAMissingAndADamagedMasterKeyAreToldApart) {
  const std::string before = sam();
  const std::string digits = value_of(base::read_file(master_));
  ASSERT_TRUE(ok(base::write_file_atomically(master_, kHex, 0600)));
  EXPECT_TRUE(fails(open(), ErrorCode::kPermissionDenied, "does not open the keys"));
  ASSERT_TRUE(ok(base::write_file_atomically(master_, "abc", 0600)));
  EXPECT_TRUE(fails(open(), ErrorCode::kCorrupt, "64 hexadecimal digits"));
  std::filesystem::remove(master_);
  EXPECT_TRUE(fails(open(), ErrorCode::kNotFound, master_.string()));
  EXPECT_FALSE(std::filesystem::exists(master_)) << "a new one would open nothing";

  const std::filesystem::path elsewhere = folder_.path() / "usb.key";
  ASSERT_TRUE(ok(base::write_file_atomically(elsewhere, digits, 0600)));
  EXPECT_EQ(sam({.file = elsewhere}), before);
}

TEST_F(KeyRingTest, AChangedRingIsRefusedAndLeftAlone) {
  ring();
  const std::string whole = value_of(base::read_file(ring_));
  const std::size_t box = whole.find("\"box\": \"") + 30;
  std::string flipped = whole;
  flipped[box] = flipped[box] == 'A' ? 'B' : 'A';
  std::string newer = whole;
  newer.replace(newer.find("\"version\": 1"), 12, "\"version\": 2");
  const std::tuple<std::string, ErrorCode, const char*> cases[] = {
      {flipped, ErrorCode::kCorrupt, "was changed"},
      {whole.substr(0, whole.size() / 2), ErrorCode::kCorrupt, "no JSON"},
      {"{}", ErrorCode::kCorrupt, "a field is missing"},
      {"", ErrorCode::kCorrupt, "no JSON"},
      {newer, ErrorCode::kUnsupported, "newer Rapport"}};
  for (const auto& [text, code, words] : cases) {
    ASSERT_TRUE(ok(base::write_file_atomically(ring_, text, 0600)));
    EXPECT_TRUE(fails(open(), code, words));
    EXPECT_EQ(value_of(base::read_file(ring_)), text);
  }
}

TEST_F(KeyRingTest, ACostThatNobodyWroteIsNotPaid) {
  const MasterKeySources sources{.passphrase = "correct horse"};
  ring(sources);
  std::string text = value_of(base::read_file(ring_));
  const std::string usual = "\"memory_bytes\": 67108864";
  ASSERT_NE(text.find(usual), std::string::npos);
  text.replace(text.find(usual), usual.size(), "\"memory_bytes\": 999999999999");
  ASSERT_TRUE(ok(base::write_file_atomically(ring_, text, 0600)));
  EXPECT_TRUE(fails(open(sources), ErrorCode::kCorrupt, "cost"));
}

TEST_F(KeyRingTest, TheMasterKeyComesFromTheEnvironmentOrAPassphraseWhenTheFirstOpeningHasOne) {
  const std::pair<MasterKeySources, MasterKeySources> cases[] = {
      {{.environment = kHex}, {.environment = kOtherHex}},
      {{.passphrase = "correct horse"}, {.passphrase = "battery staple"}}};
  for (const auto& [right, wrong] : cases) {
    std::filesystem::remove_all(keys_);
    const std::string before = sam(right);
    EXPECT_FALSE(std::filesystem::exists(master_));
    EXPECT_EQ(sam(right), before);
    EXPECT_TRUE(fails(open(wrong), ErrorCode::kPermissionDenied, "does not open"));
    EXPECT_TRUE(fails(open(), ErrorCode::kNotFound,
                      right.environment.empty() ? "RAPPORT_PASSPHRASE" : "RAPPORT_MASTER_KEY"));
  }
  std::filesystem::remove_all(keys_);
  EXPECT_TRUE(fails(open({.environment = kHex, .passphrase = "correct horse"}),
                    ErrorCode::kInvalidArgument, "both"));
  EXPECT_TRUE(fails(open({.passphrase = "short"}), ErrorCode::kInvalidArgument, "too short"));
  EXPECT_FALSE(std::filesystem::exists(ring_));
}

TEST_F(KeyRingTest, APassphraseIsAskedForWhereThereIsATerminal) {
  std::vector<std::string> questions;
  const MasterKeySources terminal{.ask = [&](std::string_view question) -> Result<std::string> {
    questions.emplace_back(question);
    return std::string("correct horse");
  }};
  const std::string before = sam({.passphrase = "correct horse"});
  EXPECT_EQ(sam(terminal), before);
  EXPECT_EQ(questions.size(), 1u);
}

TEST_F(KeyRingTest, RotatingFromAnySourceToAnyKeepsTheNamesAndShutsTheOldKeyOut) {
  MasterKeySources given{.new_environment = kHex, .new_passphrase = "battery staple"};
  const std::string before = sam(given);
  const KeyRing running = ring(given);
  using enum MasterKeySource;
  for (const MasterKeySource to : {kFile, kEnvironment, kEnvironment, kPassphrase, kPassphrase,
                                   kFile, kPassphrase, kEnvironment, kFile}) {
    SCOPED_TRACE(name(to));
    const MasterKeySources old = given;
    const std::string old_ring = value_of(base::read_file(ring_));
    EXPECT_EQ(value_of(rotate(given, to)), to);
    // What was new is what the next start is given.
    if (to == kEnvironment) std::swap(given.environment, given.new_environment);
    if (to == kEnvironment && given.new_environment.empty()) given.new_environment = kOtherHex;
    if (to == kPassphrase) std::swap(given.passphrase, given.new_passphrase);
    if (to == kPassphrase && given.new_passphrase.empty())
      given.new_passphrase = "third passphrase";
    EXPECT_EQ(sam(given), before);
    EXPECT_EQ(std::filesystem::exists(master_), to == kFile);
    if (to != kFile) {
      EXPECT_FALSE(open(old)) << "the old key opens it still";
    }
    EXPECT_NE(value_of(base::read_file(ring_)), old_ring);
  }
  EXPECT_EQ(running.pseudonym("default", "sam"), before) << "a running server goes on";
}

TEST_F(KeyRingTest, ARotationThatWasKilledBetweenItsFilesOpens) {
  const std::string before = sam();
  const std::string old_key = value_of(base::read_file(master_));
  const std::string old_ring = value_of(base::read_file(ring_));
  ASSERT_TRUE(ok(rotate({})));
  const std::string new_key = value_of(base::read_file(master_));
  const std::string new_ring = value_of(base::read_file(ring_));
  ASSERT_NE(new_key, old_key);

  // After the new key was written aside, before the ring was.
  ASSERT_TRUE(ok(base::write_file_atomically(master_, old_key, 0600)));
  ASSERT_TRUE(ok(base::write_file_atomically(master_.string() + ".new", new_key, 0600)));
  ASSERT_TRUE(ok(base::write_file_atomically(ring_, old_ring, 0600)));
  EXPECT_EQ(sam(), before);
  // After the ring was written, before the key took its name.
  ASSERT_TRUE(ok(base::write_file_atomically(ring_, new_ring, 0600)));
  EXPECT_EQ(sam(), before);
  EXPECT_EQ(value_of(base::read_file(master_)), new_key);
  EXPECT_FALSE(std::filesystem::exists(master_.string() + ".new"));
}

TEST_F(KeyRingTest, ARotationWithoutANewKeyChangesNothing) {
  const std::string before = sam();
  EXPECT_TRUE(fails(rotate({}, MasterKeySource::kEnvironment), ErrorCode::kInvalidArgument,
                    "RAPPORT_NEW_MASTER_KEY"));
  EXPECT_TRUE(fails(rotate({}, MasterKeySource::kPassphrase), ErrorCode::kNotFound,
                    "RAPPORT_NEW_PASSPHRASE"));
  EXPECT_EQ(sam(), before);
}

class HomeKeyTest : public KeyRingTest {
 protected:
  std::unique_ptr<UserKeys> user_keys(const KeyRing& keys) {
    return value_of(UserKeys::open((keys_ / "users.db").string(), keys, clock_, random_));
  }
  std::string key_of(const std::string& user) {
    return std::string(value_of(user_keys(ring())->to_open(user)).bytes());
  }
};

TEST_F(HomeKeyTest, ADeepRotationWrapsEveryUsersKeyUnderANewHomeKey) {
  const std::string home_key(ring().home_key().bytes());
  std::string key;
  {
    const auto keys = user_keys(ring());
    key = value_of(keys->to_seal("u_1")).bytes();
  }
  ASSERT_TRUE(ok(KeyRing::rotate_home_key(keys_, random_, {}, {}, [&](const KeyRing& both) {
    user_keys(both);
    return Result<void>();
  })));
  EXPECT_NE(ring().home_key().bytes(), home_key);
  EXPECT_FALSE(ring().previous_home_key());
  EXPECT_EQ(key_of("u_1"), key);
}

TEST_F(HomeKeyTest, ADeepRotationNeedsTheHomeForItself) {
  const KeyRing running = ring();
  EXPECT_TRUE(fails(KeyRing::rotate_home_key(keys_, random_, {}, {},
                                             [](const KeyRing&) { return Result<void>(); }),
                    ErrorCode::kUnavailable, "stop `rapport serve`"));
}

TEST_F(HomeKeyTest, ADeepRotationThatWasKilledBetweenItsFilesIsFinishedByTheNextOpening) {
  const std::string key(value_of(user_keys(ring())->to_seal("u_1")).bytes());
  const std::string before = sam();
  for (const bool wrapped : {false, true}) {
    // Stopped before the users' keys are wrapped anew, and right after.
    const auto killed = [&](const KeyRing& both) -> Result<void> {
      if (wrapped) user_keys(both);
      return fail(ErrorCode::kCancelled, "killed");
    };
    EXPECT_FALSE(KeyRing::rotate_home_key(keys_, random_, {}, {}, killed));
    EXPECT_TRUE(ring().previous_home_key());
    EXPECT_EQ(key_of("u_1"), key);
    ASSERT_TRUE(ok(KeyRing::forget_previous_home_key(keys_, random_, {})));
    EXPECT_FALSE(ring().previous_home_key());
    EXPECT_EQ(key_of("u_1"), key);
    EXPECT_EQ(sam(), before);
  }
}

TEST_F(HomeKeyTest, UsersKeysWithoutTheirRingAreNotGivenAnotherOne) {
  value_of(user_keys(ring())->to_seal("u_1"));
  std::filesystem::remove(ring_);
  EXPECT_TRUE(fails(open(), ErrorCode::kCorrupt, ring_.string()));
  EXPECT_FALSE(std::filesystem::exists(ring_));
}

TEST_F(KeyRingTest, AnOldKeyOfAnotherSizeIsNotReplaced) {
  ASSERT_TRUE(ok(base::ensure_directory(keys_, 0700)));
  for (const std::size_t size : {0, 31, 33}) {
    ASSERT_TRUE(ok(base::write_file_atomically(old_, std::string(size, 'x'), 0600)));
    EXPECT_TRUE(fails(open(), ErrorCode::kCorrupt, old_.string()));
    EXPECT_EQ(std::filesystem::file_size(old_), size);
  }
}

TEST_F(KeyRingTest, AHomeThatCannotBeWrittenIsNamed) {
  ASSERT_TRUE(ok(base::write_file_atomically(folder_.path() / "home", "a file", 0600)));
  EXPECT_TRUE(fails(open(), ErrorCode::kIo, "home"));
}

}  // namespace
}  // namespace rapport::store
