#include "source_files.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace rapport::data {

std::string SourceFiles::write(const std::string& name, std::string_view bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
  return path(name);
}

std::string SourceFiles::write_gzip(const std::string& name, std::string_view bytes) const {
  const gzFile file = gzopen(path(name).c_str(), "wb");
  EXPECT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  EXPECT_EQ(gzclose(file), Z_OK);
  return path(name);
}

std::string pairs(const Source& source) {
  std::string text;
  for (std::size_t i = 0; i < source.user.size(); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", source.users[source.user[i]],
                        source.items[source.item[i]]);
  }
  return text;
}

std::string shared_file(const std::string& name) {
  const char* folder = std::getenv("RAPPORT_SHARED_DATA");
  if (folder == nullptr) return "";
  const std::filesystem::path path = std::filesystem::path(folder) / name;
  return std::filesystem::exists(path) ? path.string() : "";
}

}  // namespace rapport::data
