#include "rapport/language/gguf_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ggml.h>
#include <gguf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

#include "rapport/language/llama_runtime.h"

namespace rapport::language {
namespace {

namespace fs = std::filesystem;

/// Without the ones in front: ggml does not tell a vector from a matrix of one row.
std::vector<std::int64_t> shortest(std::vector<std::int64_t> shape) {
  while (shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
  return shape;
}

/// ggml's sizes begin with the columns, and a missing dimension is 1.
std::vector<std::int64_t> row_major(const std::int64_t* sizes) {
  std::vector<std::int64_t> shape(sizes, sizes + GGML_MAX_DIMS);
  std::ranges::reverse(shape);
  return shortest(std::move(shape));
}

/// Bytes that the file must have to hold all its tensors.
std::uint64_t announced_bytes(const gguf_context* gguf) {
  std::uint64_t end = 0;
  for (std::int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i)
    end = std::max<std::uint64_t>(end,
                                  gguf_get_tensor_offset(gguf, i) + gguf_get_tensor_size(gguf, i));
  return gguf_get_data_offset(gguf) + end;
}

Result<std::vector<char>> read_bytes(const fs::path& path, std::uint64_t offset, std::size_t size) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::vector<char> bytes(size);
  std::size_t done = 0;
  while (descriptor >= 0 && done < size) {
    const ssize_t got =
        ::pread(descriptor, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  const int reason = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (descriptor >= 0 && done == size) return bytes;
  return fail(ErrorCode::kIo,
              fmt::format("{}: cannot read: {}", path.string(),
                          descriptor < 0 ? std::strerror(reason) : "it became shorter"));
}

}  // namespace

struct GgufReader::File {
  std::unique_ptr<gguf_context, decltype(&gguf_free)> gguf;
};

Result<GgufReader> GgufReader::open(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    return fail(ErrorCode::kNotFound, fmt::format("there is no model file {}", path.string()),
                "model", "model_not_found");
  TRY_VOID(start_llama_runtime());
  const LlamaLogCapture log;
  File file{{gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}), gguf_free}};
  if (!file.gguf)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not a GGUF model: {}", path.string(), log.last_error()),
                "model");
  const std::uint64_t bytes = fs::file_size(path, error);
  if (error)
    return fail(ErrorCode::kIo, fmt::format("{}: {}", path.string(), error.message()), "model");
  const std::uint64_t announced = announced_bytes(file.gguf.get());
  if (announced > bytes)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is cut short: {} of {} bytes are there; fetch it again",
                            path.string(), bytes, announced),
                "model");
  return GgufReader(path, bytes, std::make_shared<const File>(std::move(file)));
}

GgufReader::GgufReader(fs::path path, std::uint64_t bytes, std::shared_ptr<const File> file)
    : path_(std::move(path)), bytes_(bytes), file_(std::move(file)) {
  const gguf_context* const gguf = file_->gguf.get();
  for (std::int64_t i = 0; i < gguf_get_n_tensors(gguf); ++i)
    tensors_.push_back({gguf_get_tensor_name(gguf, i), row_major(gguf_get_tensor_ne(gguf, i))});
}

std::optional<std::string> GgufReader::text(const std::string& key) const {
  const gguf_context* const gguf = file_->gguf.get();
  const std::int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0 || gguf_get_kv_type(gguf, id) != GGUF_TYPE_STRING) return {};
  return gguf_get_val_str(gguf, id);
}

std::optional<std::int64_t> GgufReader::integer(const std::string& key) const {
  const gguf_context* const gguf = file_->gguf.get();
  const std::int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0) return {};
  switch (gguf_get_kv_type(gguf, id)) {
    case GGUF_TYPE_UINT16: return gguf_get_val_u16(gguf, id);
    case GGUF_TYPE_UINT32: return gguf_get_val_u32(gguf, id);
    case GGUF_TYPE_INT32: return gguf_get_val_i32(gguf, id);
    case GGUF_TYPE_INT64: return gguf_get_val_i64(gguf, id);
    case GGUF_TYPE_UINT64:
      return static_cast<std::int64_t>(std::min<std::uint64_t>(
          gguf_get_val_u64(gguf, id), std::numeric_limits<std::int64_t>::max()));
    default: return {};
  }
}

std::optional<double> GgufReader::number(const std::string& key) const {
  const gguf_context* const gguf = file_->gguf.get();
  const std::int64_t id = gguf_find_key(gguf, key.c_str());
  if (id < 0) return {};
  switch (gguf_get_kv_type(gguf, id)) {
    case GGUF_TYPE_FLOAT32: return gguf_get_val_f32(gguf, id);
    case GGUF_TYPE_FLOAT64: return gguf_get_val_f64(gguf, id);
    default: return {};
  }
}

bool GgufReader::has(const std::string& tensor) const {
  return std::ranges::find(tensors_, tensor, &Tensor::name) != tensors_.end();
}

Result<std::vector<float>> GgufReader::read_floats(const std::string& tensor,
                                                   const std::vector<std::int64_t>& shape) const {
  const auto found = std::ranges::find(tensors_, tensor, &Tensor::name);
  if (found == tensors_.end())
    return fail(ErrorCode::kCorrupt, fmt::format("{} has no tensor {}", path_.string(), tensor),
                "model");
  if (found->shape != shortest(shape))
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} is [{}] instead of [{}]", path_.string(), tensor,
                            fmt::join(found->shape, " × "), fmt::join(shape, " × ")),
                "model");
  const gguf_context* const gguf = file_->gguf.get();
  const auto id = found - tensors_.begin();
  const ggml_type type = gguf_get_tensor_type(gguf, id);
  TRY(const std::vector<char> bytes,
      read_bytes(path_, gguf_get_data_offset(gguf) + gguf_get_tensor_offset(gguf, id),
                 gguf_get_tensor_size(gguf, id)));
  std::int64_t size = 1;
  for (const std::int64_t length : shape) size *= length;
  std::vector<float> values(static_cast<std::size_t>(size));
  if (type == GGML_TYPE_F32) {
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else if (const auto to_float = ggml_get_type_traits(type)->to_float; to_float != nullptr) {
    to_float(bytes.data(), values.data(), size);
  } else {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} is stored as {}, which cannot be read as numbers",
                            path_.string(), tensor, ggml_type_name(type)),
                "model");
  }
  return values;
}

}  // namespace rapport::language
