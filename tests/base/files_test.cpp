#include "rapport/base/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>

#include "rapport/base/random.h"
#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

namespace fs = std::filesystem;
using rapport::testing::TemporaryDirectory;
using ::testing::HasSubstr;

unsigned mode_of(const fs::path& path) {
  return static_cast<unsigned>(fs::status(path).permissions());
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  return names;
}

/// The umask of a careless or a strict user, for as long as it lives.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }

 private:
  mode_t before_;
};

TEST(Files, ReadWhatWasWritten) {
  // Around the sizes at which reading takes one more step. Not a property test: each writing waits
  // for the disk.
  const TemporaryDirectory folder;
  SeededRandom random(1);
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 1u << 20}) {
    std::string bytes(size, '\0');
    random.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    ASSERT_TRUE(write_file_atomically(folder.file("f"), bytes));
    EXPECT_EQ(read_file(folder.file("f")), bytes) << size;
  }
}

TEST(ReadFile, TakesAtMostTheBytesItMay) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "12345"));
  EXPECT_EQ(read_file(folder.file("f"), 5), "12345");
  const auto too_large = read_file(folder.file("f"), 4);
  ASSERT_FALSE(too_large);
  EXPECT_EQ(too_large.error().code, ErrorCode::kTooLarge);
  EXPECT_THAT(too_large.error().message, HasSubstr(folder.file("f") + " is larger than 4 bytes"));
}

TEST(ReadFile, ReadsFilesThatClaimNoSize) {
  const auto text = read_file("/proc/self/status");
  ASSERT_TRUE(text);
  EXPECT_THAT(*text, HasSubstr("Pid:"));
}

TEST(ReadFile, SaysWhatIsWrongWithWhichPath) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), ""));
  struct Case {
    std::string path;
    ErrorCode code;
  };
  for (const Case& c : {Case{folder.file("none"), ErrorCode::kNotFound},
                        Case{folder.file("f/below a file"), ErrorCode::kNotFound},
                        Case{folder.path(), ErrorCode::kIo}}) {
    const auto text = read_file(c.path);
    ASSERT_FALSE(text) << c.path;
    EXPECT_EQ(text.error().code, c.code) << c.path;
    EXPECT_THAT(text.error().message, HasSubstr(c.path));
  }
}

TEST(WriteFileAtomically, SetsTheModeWhateverTheUmask) {
  const TemporaryDirectory folder;
  const Umask strict(077);
  ASSERT_TRUE(write_file_atomically(folder.file("open"), "x"));
  ASSERT_TRUE(write_file_atomically(folder.file("secret"), "x", 0600));
  EXPECT_EQ(mode_of(folder.file("open")), 0644u);
  EXPECT_EQ(mode_of(folder.file("secret")), 0600u);
}

TEST(WriteFileAtomically, ReplacesAnOldFileAndLeavesNothingElse) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "old and longer", 0600));
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "new"));
  EXPECT_EQ(read_file(folder.file("f")), "new");
  EXPECT_EQ(mode_of(folder.file("f")), 0644u);
  EXPECT_THAT(names_in(folder.path()), ::testing::ElementsAre("f"));
}

TEST(WriteFileAtomically, AReaderOfTheOldFileIsNotDisturbed) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "old"));
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> reader(
      std::fopen(folder.file("f").c_str(), "r"), &std::fclose);
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "new"));
  char bytes[4] = {};
  EXPECT_EQ(std::fread(bytes, 1, 3, reader.get()), 3u);
  EXPECT_STREQ(bytes, "old");
}

TEST(WriteFileAtomically, OnAFaultChangesNothingAndLeavesNothing) {
  const TemporaryDirectory folder;
  fs::create_directories(folder.path() / "taken" / "inside");
  const auto onto_a_folder = write_file_atomically(folder.file("taken"), "x");
  ASSERT_FALSE(onto_a_folder);
  EXPECT_EQ(onto_a_folder.error().code, ErrorCode::kIo);
  EXPECT_THAT(onto_a_folder.error().message, HasSubstr(folder.file("taken")));
  EXPECT_THAT(names_in(folder.path()), ::testing::ElementsAre("taken"));

  const auto without_folder = write_file_atomically(folder.file("none/f"), "x");
  ASSERT_FALSE(without_folder);
  EXPECT_EQ(without_folder.error().code, ErrorCode::kIo);
  EXPECT_FALSE(fs::exists(folder.file("none")));
}

TEST(WriteFileAtomicallyDeathTest, AFullDiskLeavesTheOldFileWhole) {
  // A limit on the size of files, in a process of its own, stands for the disk.
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), "old"));
  const auto write_too_much = [&] {
    const rlimit small = {.rlim_cur = 1000, .rlim_max = 1000};
    ::setrlimit(RLIMIT_FSIZE, &small);
    ::signal(SIGXFSZ, SIG_IGN);
    const auto written = write_file_atomically(folder.file("f"), std::string(5000, 'x'));
    const bool is_right = !written && written.error().code == ErrorCode::kIo &&
                          read_file(folder.file("f")) == "old" &&
                          names_in(folder.path()).size() == 1;
    std::_Exit(is_right ? 0 : 1);
  };
  EXPECT_EXIT(write_too_much(), ::testing::ExitedWithCode(0), "");
}

TEST(WriteFileAtomically, ReplacesASymbolicLinkNotItsTarget) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("target"), "old"));
  fs::create_symlink("target", folder.file("link"));
  ASSERT_TRUE(write_file_atomically(folder.file("link"), "new"));
  EXPECT_EQ(read_file(folder.file("target")), "old");
  EXPECT_EQ(read_file(folder.file("link")), "new");
  EXPECT_FALSE(fs::is_symlink(folder.file("link")));
}

TEST(EnsureDirectory, CreatesParentsAndSetsTheModeOnTheLast) {
  const TemporaryDirectory folder;
  const Umask usual(022);
  ASSERT_TRUE(ensure_directory(folder.path() / "a" / "b" / "keys", 0700));
  EXPECT_EQ(mode_of(folder.path() / "a"), 0755u);
  EXPECT_EQ(mode_of(folder.path() / "a" / "b" / "keys"), 0700u);
  for (const char* spelled : {"a/b/keys", "a/b/keys/", "a/b/keys/.", "a/./b//keys"})
    EXPECT_TRUE(ensure_directory(folder.path() / spelled, 0700)) << spelled;
  ASSERT_TRUE(ensure_directory(folder.file("trailing/")));
  EXPECT_TRUE(fs::is_directory(folder.file("trailing")));
}

TEST(EnsureDirectory, ClosesAnOpenFolderThatIsToBePrivateAndElseLeavesIt) {
  const TemporaryDirectory folder;
  const fs::path shared = folder.path() / "shared";
  fs::create_directory(shared);
  ::chmod(shared.c_str(), 01777);
  ASSERT_TRUE(ensure_directory(shared));
  EXPECT_EQ(mode_of(shared), 01777u) << "as /tmp is";
  ASSERT_TRUE(ensure_directory(shared, 0700));
  EXPECT_EQ(mode_of(shared), 0700u);
}

TEST(EnsureDirectory, NamesWhatIsInTheWay) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(write_file_atomically(folder.file("f"), ""));
  for (const std::string& path : {folder.file("f"), folder.file("f/below"), std::string("")}) {
    const auto made = ensure_directory(path);
    ASSERT_FALSE(made) << path;
    EXPECT_EQ(made.error().code, ErrorCode::kIo) << path;
    EXPECT_THAT(made.error().message, HasSubstr(path));
  }
}

TEST(WriteDirectoryAtomically, ReplacesTheWholeFolderOrLeavesIt) {
  const TemporaryDirectory folder;
  const auto write = [&](const char* name, bool works) {
    return write_directory_atomically(folder.file("a/set/"), [&](const fs::path& made) {
      const auto written = write_file_atomically(made / name, name);
      return works ? written : Result<void>(fail(ErrorCode::kIo, "the disk is full"));
    });
  };
  EXPECT_FALSE(write("never", false));
  EXPECT_TRUE(fs::is_empty(folder.path() / "a"));
  ASSERT_TRUE(write("first", true));
  ASSERT_TRUE(write("second", true));
  EXPECT_FALSE(fs::exists(folder.file("a/set/first")));
  EXPECT_EQ(read_file(folder.file("a/set/second")), "second");
  EXPECT_EQ(mode_of(folder.path() / "a" / "set"), 0755u);

  const auto failed = write("third", false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "the disk is full");
  EXPECT_EQ(read_file(folder.file("a/set/second")), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path() / "a"), {}), 1) << "nothing is left";
}

TEST(PrepareOutput, TellsBeforeTheWorkWhatCannotBeWrittenAndLeavesNothing) {
  const TemporaryDirectory folder;
  ASSERT_TRUE(prepare_output(folder.path() / "new" / "model"));
  EXPECT_TRUE(fs::is_empty(folder.path() / "new"));
  ASSERT_TRUE(write_file_atomically(folder.path() / "file", ""));
  const auto below = prepare_output_file(folder.path() / "file" / "adapter.gguf");
  ASSERT_FALSE(below);
  EXPECT_EQ(below.error().code, ErrorCode::kIo);
  EXPECT_NE(below.error().message.find((folder.path() / "file").string()), std::string::npos);
  const auto no_file = prepare_output_file(folder.path());
  ASSERT_FALSE(no_file);
  EXPECT_EQ(no_file.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(prepare_output_file(folder.path() / "file")) << "it may be replaced";
}

}  // namespace
}  // namespace rapport::base
