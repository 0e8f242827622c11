#include "rapport/language/gguf_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <ggml.h>
#include <gguf.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

namespace rapport::language {
namespace {

struct TypeName {
  WeightType type;
  std::string_view name;
  ggml_type ggml;
};
constexpr std::array<TypeName, 3> kTypes = {{{WeightType::kF32, "f32", GGML_TYPE_F32},
                                             {WeightType::kF16, "f16", GGML_TYPE_F16},
                                             {WeightType::kQ8_0, "q8_0", GGML_TYPE_Q8_0}}};

ggml_type to_ggml(WeightType type) {
  return kTypes[static_cast<std::size_t>(type)].ggml;
}

/// A file being written; closes itself.
class OutputFile {
 public:
  explicit OutputFile(std::filesystem::path path)
      : path_(std::move(path)),
        descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {}
  ~OutputFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  bool is_open() const { return descriptor_ >= 0; }

  Result<void> append(std::span<const char> bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failure("cannot write");
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    return {};
  }

  Result<void> finish() {
    if (::fsync(descriptor_) != 0) return failure("cannot sync");
    if (::close(std::exchange(descriptor_, -1)) != 0) return failure("cannot close");
    return {};
  }

  tl::unexpected<Error> failure(std::string_view what) const {
    return fail(ErrorCode::kIo,
                fmt::format("{}: {}: {}", path_.string(), what, std::strerror(errno)));
  }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// Makes the new name of a renamed file survive a power cut.
Result<void> sync_folder_of(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int reason = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (synced) return {};
  return fail(ErrorCode::kIo,
              fmt::format("{}: cannot sync: {}", folder.string(), std::strerror(reason)));
}

}  // namespace

std::string_view name(WeightType type) {
  return kTypes[static_cast<std::size_t>(type)].name;
}

Result<WeightType> parse_weight_type(std::string_view text) {
  for (const TypeName& candidate : kTypes) {
    if (candidate.name == text) return candidate.type;
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is no weight type: use f32, f16 or q8_0", text));
}

struct GgufWriter::Context {
  std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf{gguf_init_empty(), gguf_free};
};

GgufWriter::GgufWriter(std::string_view architecture) : context_(std::make_unique<Context>()) {
  set_string("general.architecture", std::string(architecture));
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::set_string(const std::string& key, const std::string& value) {
  gguf_set_val_str(context_->gguf.get(), key.c_str(), value.c_str());
}

void GgufWriter::set_uint32(const std::string& key, std::uint32_t value) {
  gguf_set_val_u32(context_->gguf.get(), key.c_str(), value);
}

void GgufWriter::set_float(const std::string& key, float value) {
  gguf_set_val_f32(context_->gguf.get(), key.c_str(), value);
}

void GgufWriter::set_bool(const std::string& key, bool value) {
  gguf_set_val_bool(context_->gguf.get(), key.c_str(), value);
}

void GgufWriter::set_strings(const std::string& key, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values) pointers.push_back(value.c_str());
  gguf_set_arr_str(context_->gguf.get(), key.c_str(), pointers.data(), pointers.size());
}

void GgufWriter::set_int32s(const std::string& key, const std::vector<std::int32_t>& values) {
  gguf_set_arr_data(context_->gguf.get(), key.c_str(), GGUF_TYPE_INT32, values.data(),
                    values.size());
}

Result<void> GgufWriter::add_tensor(const std::string& name, const std::vector<std::int64_t>& shape,
                                    WeightType type, Values values) {
  const auto refuse = [&name](std::string_view fault) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("tensor \"{}\" {}", name, fault));
  };
  // ggml would cut the name or abort the process where we answer with an error.
  if (name.empty() || name.size() >= GGML_MAX_NAME) return refuse("needs a name of 1 to 63 bytes");
  if (gguf_find_tensor(context_->gguf.get(), name.c_str()) >= 0) return refuse("is given twice");
  if (shape.empty() || shape.size() > GGML_MAX_DIMS) return refuse("needs 1 to 4 dimensions");
  Tensor tensor{name, 1, shape.back(), type, std::move(values)};
  std::array<std::int64_t, GGML_MAX_DIMS> extents = {};
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] <= 0) return refuse("needs dimensions above zero");
    if (i + 1 < shape.size()) tensor.rows *= shape[i];
    extents[shape.size() - 1 - i] = shape[i];  // ggml counts from the innermost dimension
  }
  if (tensor.columns % ggml_blck_size(to_ggml(type)) != 0) {
    return refuse(fmt::format("has {} columns, which blocks of {} do not divide: use f32 or f16",
                              tensor.columns, ggml_blck_size(to_ggml(type))));
  }

  const std::unique_ptr<ggml_context, decltype(&ggml_free)> scratch(
      ggml_init({.mem_size = ggml_tensor_overhead(), .mem_buffer = nullptr, .no_alloc = true}),
      ggml_free);
  ggml_tensor* const description =
      ggml_new_tensor(scratch.get(), to_ggml(type), static_cast<int>(shape.size()), extents.data());
  ggml_set_name(description, name.c_str());
  gguf_add_tensor(context_->gguf.get(), description);
  tensors_.push_back(std::move(tensor));
  return {};
}

Result<void> GgufWriter::write(const std::filesystem::path& path) const {
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  if (auto written = write_to(temporary); !written) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return written;
  }
  std::error_code failed;
  std::filesystem::rename(temporary, path, failed);
  if (failed) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return fail(ErrorCode::kIo,
                fmt::format("{}: cannot rename to it: {}", path.string(), failed.message()));
  }
  return sync_folder_of(path);
}

Result<void> GgufWriter::write_to(const std::filesystem::path& path) const {
  OutputFile file(path);
  if (!file.is_open()) return file.failure("cannot create");

  std::vector<char> metadata(gguf_get_meta_size(context_->gguf.get()));
  gguf_get_meta_data(context_->gguf.get(), metadata.data());
  TRY_VOID(file.append(metadata));

  const std::size_t alignment = gguf_get_alignment(context_->gguf.get());
  for (const Tensor& tensor : tensors_) {
    TRY(const std::vector<float> values, tensor.values());
    if (std::cmp_not_equal(values.size(), tensor.rows * tensor.columns)) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("tensor \"{}\" has {} values, its shape needs {}", tensor.name,
                              values.size(), tensor.rows * tensor.columns));
    }
    const ggml_type type = to_ggml(tensor.type);
    std::vector<char> bytes(static_cast<std::size_t>(tensor.rows) *
                            ggml_row_size(type, tensor.columns));
    ggml_quantize_chunk(type, values.data(), bytes.data(), 0, tensor.rows, tensor.columns, nullptr);
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    TRY_VOID(file.append(bytes));
  }
  return file.finish();
}

}  // namespace rapport::language
