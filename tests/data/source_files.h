// Files of a source, written for one test.
#pragma once

#include <string>
#include <string_view>

#include "rapport/data/source.h"
#include "testing/temporary_directory.h"

namespace rapport::data {

class SourceFiles {
 public:
  /// The path of a new file with these bytes.
  std::string write(const std::string& name, std::string_view bytes) const;
  /// The same, compressed.
  std::string write_gzip(const std::string& name, std::string_view bytes) const;
  std::string path(const std::string& name) const { return folder_.file(name); }

 private:
  testing::TemporaryDirectory folder_;
};

/// "user item, user item, …", as read.
std::string pairs(const Source& source);

/// A file of the research data, "" where RAPPORT_SHARED_DATA names no folder that has it.
std::string shared_file(const std::string& name);

}  // namespace rapport::data

/// Skips the test, loudly, where the research data are absent; else defines `path`.
#define NEED_SHARED_FILE(path, name)                                              \
  const std::string path = ::rapport::data::shared_file(name);                    \
  if ((path).empty()) {                                                           \
    GTEST_SKIP() << "RAPPORT_SHARED_DATA names no folder with " << (name)         \
                 << ": research data that may not be passed on with the sources"; \
  }
