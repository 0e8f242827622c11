#include "rapport/base/opened_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "testing/temporary_directory.h"

namespace rapport::base {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

OpenedLibrary library(const char* built) {
  return {.file = "librapport_nothing.so",
          .symbol = "rapport_nothing",
          .built = built,
          .option = "RAPPORT_ANYTHING",
          .needs = "nothing needs something",
          .package = "some-package"};
}

TEST(OpenedLibrary, SaysWhatIsMissing) {
  const rapport::testing::TemporaryDirectory folder;
  const std::string broken = folder.file("broken.so"), absent = folder.file("absent.so");
  std::ofstream(broken) << "no library";
  struct Case {
    const char* built;
    const char* says;
  };
  for (const Case& c : {Case{absent.c_str(), "not beside the program"},
                        Case{"", "build with -DRAPPORT_ANYTHING=ON"},
                        Case{broken.c_str(), "apt-get install some-package"}}) {
    const auto opened = open_library(library(c.built));
    ASSERT_FALSE(opened) << c.says;
    EXPECT_EQ(opened.error().code, ErrorCode::kUnsupported);
    EXPECT_THAT(opened.error().message,
                AllOf(HasSubstr("nothing needs something"), HasSubstr("librapport_nothing.so"),
                      HasSubstr(c.says)));
  }
}

TEST(OpenedLibrary, OfAnotherBuildIsRefused) {
  const auto opened = open_library(library("/lib/x86_64-linux-gnu/libc.so.6"));
  if (library_path(library("/lib/x86_64-linux-gnu/libc.so.6")).empty()) GTEST_SKIP();
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("another build"));
}

TEST(OpenedLibrary, IsNotLookedForInABuildWithout) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe");
  const std::string name = program.filename().string();  // lies beside the program for sure
  OpenedLibrary beside = library("somewhere");
  beside.file = name.c_str();
  EXPECT_EQ(library_path(beside), program);
  beside.built = "";
  EXPECT_EQ(library_path(beside), "");
}

}  // namespace
}  // namespace rapport::base
