// Reads a GGUF file: its metadata, and its tensors as f32, whatever they are stored as.
//
//   TRY(const GgufReader gguf, GgufReader::open(path));
//   const auto layers = gguf.integer(gguf.architecture() + ".block_count");
//   TRY(const std::vector<float> weights, gguf.read_floats("blk.0.attn_q.weight", {576, 576}));
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::language {

/// Thread-safe once opened; tensors are read from the file when they are asked for.
class GgufReader {
 public:
  struct Tensor {
    std::string name;
    /// Row-major as PyTorch has it, [rows × columns]; [columns] where there is one row.
    std::vector<std::int64_t> shape;
  };

  /// Errors: kNotFound; kInvalidArgument for what is no GGUF; kCorrupt for a file that is shorter
  /// than its tensors.
  static Result<GgufReader> open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }
  /// "llama", "bert"; "" where the file names none.
  std::string architecture() const { return text("general.architecture").value_or(""); }

  /// Values of the metadata; none where the key is missing or of another type.
  std::optional<std::string> text(const std::string& key) const;
  std::optional<std::int64_t> integer(const std::string& key) const;
  std::optional<double> number(const std::string& key) const;

  /// In the file's order.
  const std::vector<Tensor>& tensors() const { return tensors_; }
  bool has(const std::string& tensor) const;
  /// Row-major values. Errors: kCorrupt for a tensor that is missing, of another shape, or of a
  /// type that cannot be made f32; kIo.
  Result<std::vector<float>> read_floats(const std::string& tensor,
                                         const std::vector<std::int64_t>& shape) const;

 private:
  struct File;
  GgufReader(std::filesystem::path path, std::uint64_t bytes, std::shared_ptr<const File> file);

  std::filesystem::path path_;
  std::uint64_t bytes_;
  std::shared_ptr<const File> file_;
  std::vector<Tensor> tensors_;
};

}  // namespace rapport::language
