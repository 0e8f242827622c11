// Safetensors files: named tensors of weights, as PyTorch's world exchanges them.
//
//   TRY(Safetensors file, Safetensors::open(folder / "model.safetensors"));
//   TRY(std::vector<float> weights, file.read_floats("encoder.layer.0.output.dense.weight",
//                                                    {384, 1536}));
//
// A file comes from elsewhere, so the header is believed only after it has been checked against
// the file's size: nothing in it can make us read or allocate beyond what is there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::base {

struct SafetensorsTensor {
  std::string dtype;  // "F32", "F16", "BF16", "I64", …: as the format names it
  std::vector<std::int64_t> shape;
  std::int64_t elements = 0;
  std::uint64_t begin = 0;  // bytes from the start of the file
  std::uint64_t bytes = 0;
};

/// An open file. Movable. Thread-safe: reads name their offset.
class Safetensors {
 public:
  /// Reads and checks the header: its length (at most 16 MiB), that each tensor's bytes are its
  /// elements times its type's size, and that the tensors fill the rest of the file exactly, with
  /// no gap or overlap. Errors: kNotFound, kIo, kCorrupt; each names the file, and the tensor where
  /// one is at fault.
  static Result<Safetensors> open(const std::filesystem::path& path);

  Safetensors(Safetensors&& other) noexcept;
  Safetensors& operator=(Safetensors&& other) noexcept;
  ~Safetensors();

  const std::map<std::string, SafetensorsTensor, std::less<>>& tensors() const { return tensors_; }
  bool contains(std::string_view name) const { return tensors_.contains(name); }

  /// The values of one tensor in row-major order, as f32. Errors: kCorrupt when there is none of
  /// that name or its shape is not `shape`; kUnsupported unless it is F32, F16 or BF16; kIo.
  Result<std::vector<float>> read_floats(std::string_view name,
                                         const std::vector<std::int64_t>& shape) const;
  /// The same for whole numbers of type I32. Errors: as read_floats.
  Result<std::vector<std::int32_t>> read_integers(std::string_view name,
                                                  const std::vector<std::int64_t>& shape) const;
  /// The bytes of one tensor of type U8, as text. Errors: kCorrupt; kIo.
  Result<std::string> read_text(std::string_view name) const;

  /// The tensors whose names begin with `prefix`, under the rest of their names: a file within the
  /// file, as add_all writes it. Independent of this one. Errors: kIo.
  Result<Safetensors> part(std::string_view prefix) const;

 private:
  Safetensors(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Result<void> read_header();
  Result<const SafetensorsTensor*> find(std::string_view name,
                                        const std::vector<std::int64_t>& shape) const;
  Result<void> check_layout(std::uint64_t data_begin, std::uint64_t file_bytes) const;
  Result<std::string> read_bytes(std::uint64_t offset, std::uint64_t count) const;

  std::string path_;
  int descriptor_ = -1;
  std::map<std::string, SafetensorsTensor, std::less<>> tensors_;
};

/// Collects tensors and writes them, in the order they were added. Not thread-safe.
///
///   SafetensorsWriter writer;
///   writer.add("item_embedding", {items, 64}, values);
///   TRY_VOID(writer.write(folder / "weights.safetensors"));
class SafetensorsWriter {
 public:
  /// `shape`'s product is the size of `values`; a name is new to the writer.
  SafetensorsWriter& add(const std::string& name, std::vector<std::int64_t> shape,
                         std::span<const float> values);
  SafetensorsWriter& add(const std::string& name, std::vector<std::int64_t> shape,
                         std::span<const std::int32_t> values);
  /// The same for values of any type, little-endian.
  SafetensorsWriter& add_bytes(const std::string& name, std::string_view dtype,
                               std::vector<std::int64_t> shape, std::string_view bytes);
  /// All that `other` has, `prefix` in front of each name.
  SafetensorsWriter& add_all(std::string_view prefix, const SafetensorsWriter& other);

  /// The whole file.
  std::string bytes() const;
  /// Whole or not at all. Errors: kIo.
  Result<void> write(const std::filesystem::path& path) const;

 private:
  Json header_ = Json::object();
  std::string data_;
};

}  // namespace rapport::base
