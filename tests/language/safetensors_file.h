// Writes safetensors files for tests, the sound ones and those that lie.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rapport/base/json.h"

namespace rapport::language {

/// `header` and `data` as they are, behind the header's true length.
inline void write_safetensors(const std::filesystem::path& path, std::string_view header,
                              std::string_view data) {
  std::ofstream file(path, std::ios::binary);
  const std::uint64_t length = header.size();
  file.write(reinterpret_cast<const char*>(&length), sizeof length);
  file << header << data;
}

/// A sound file, tensor by tensor.
class SafetensorsFile {
 public:
  SafetensorsFile& add_bytes(const std::string& name, std::string_view dtype,
                             std::vector<std::int64_t> shape, std::string_view bytes) {
    header_[name] = {{"dtype", dtype},
                     {"shape", std::move(shape)},
                     {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
    data_ += bytes;
    return *this;
  }

  SafetensorsFile& add(const std::string& name, std::vector<std::int64_t> shape,
                       const std::vector<float>& values) {
    return add_bytes(name, "F32", std::move(shape),
                     {reinterpret_cast<const char*>(values.data()), 4 * values.size()});
  }

  void write(const std::filesystem::path& path) const {
    write_safetensors(path, header_.dump(), data_);
  }

 private:
  Json header_ = {{"__metadata__", {{"format", "pt"}}}};
  std::string data_;
};

}  // namespace rapport::language
