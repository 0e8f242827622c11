// Writes safetensors files that lie, for tests; sound ones are base::SafetensorsWriter's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string_view>

namespace rapport::testing {

/// `header` and `data` as they are, behind the header's true length.
inline void write_safetensors(const std::filesystem::path& path, std::string_view header,
                              std::string_view data) {
  std::ofstream file(path, std::ios::binary);
  const std::uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header << data;
}

}  // namespace rapport::testing
