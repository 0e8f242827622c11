// Writes a GGUF file: metadata and tensors, whole or not at all.
//
//   GgufWriter gguf("bert");
//   gguf.set_uint32("bert.block_count", 6);
//   TRY_VOID(gguf.add_tensor("token_embd.weight", {30522, 384}, WeightType::kQ8_0,
//                            [&] { return weights.read_floats(name, {30522, 384}); }));
//   TRY_VOID(gguf.write(folder / "model.gguf"));
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::language {

/// How a tensor's values are stored. q8_0: blocks of 32 eight-bit values that share a scale.
enum class WeightType { kF32, kF16, kQ8_0 };
/// "f32", "f16", "q8_0".
std::string_view name(WeightType type);
/// Errors: kInvalidArgument for any other word.
Result<WeightType> parse_weight_type(std::string_view text);

/// Not thread-safe.
class GgufWriter {
 public:
  /// `architecture` is llama.cpp's word for the model's structure: "bert", "llama".
  explicit GgufWriter(std::string_view architecture);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  /// A later value for the same key replaces the earlier.
  void set_string(const std::string& key, const std::string& value);
  void set_uint32(const std::string& key, std::uint32_t value);
  void set_float(const std::string& key, float value);
  void set_bool(const std::string& key, bool value);
  void set_strings(const std::string& key, const std::vector<std::string>& values);
  void set_int32s(const std::string& key, const std::vector<std::int32_t>& values);

  /// A tensor's values, asked for while the file is written, so that one tensor at a time is in
  /// memory. Row-major, as f32.
  using Values = std::function<Result<std::vector<float>>()>;

  /// `shape` is row-major as PyTorch has it: [rows × columns]. Errors: kInvalidArgument for a name
  /// already given or longer than 63 bytes, a shape that is empty or has more than 4 dimensions,
  /// or columns that q8_0's blocks of 32 do not divide.
  Result<void> add_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                          WeightType type, Values values);

  /// Writes a temporary file beside `path`, fsync, rename. Errors: kIo with the path; whatever
  /// `Values` returns; kInvalidArgument when it returns another number of values than its shape
  /// has.
  Result<void> write(const std::filesystem::path& path) const;

 private:
  struct Tensor {
    std::string name;
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    WeightType type = WeightType::kF32;
    Values values;
  };
  struct Context;

  Result<void> write_to(const std::filesystem::path& path) const;

  std::unique_ptr<Context> context_;
  std::vector<Tensor> tensors_;
};

}  // namespace rapport::language
