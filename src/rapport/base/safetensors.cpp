#include "rapport/base/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "rapport/base/files.h"
#include "rapport/base/json.h"

namespace rapport::base {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors values are little-endian");

constexpr std::uint64_t kLengthBytes = 8;
// The reference implementation allows 100 MB; a header of a sentence encoder is some 10 KB, of a
// 70B language model some 100 KB.
constexpr std::uint64_t kMaxHeaderBytes = 16u << 20;
constexpr std::size_t kMaxTensors = 16'384;

struct TypeSize {
  std::string_view dtype;
  std::uint64_t bytes;
};
constexpr std::array<TypeSize, 14> kTypeSizes = {{{"F64", 8},
                                                  {"F32", 4},
                                                  {"F16", 2},
                                                  {"BF16", 2},
                                                  {"F8_E4M3", 1},
                                                  {"F8_E5M2", 1},
                                                  {"I64", 8},
                                                  {"I32", 4},
                                                  {"I16", 2},
                                                  {"I8", 1},
                                                  {"U64", 8},
                                                  {"U32", 4},
                                                  {"U16", 2},
                                                  {"U8", 1}}};

std::uint64_t size_of(std::string_view dtype) {
  if (dtype == "BOOL") return 1;
  const auto* const found = std::ranges::find(kTypeSizes, dtype, &TypeSize::dtype);
  return found == kTypeSizes.end() ? 0 : found->bytes;
}

float float_from_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  // Subnormal: mantissa × 2^-24 is exact in f32.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

float float_from_bfloat(std::uint16_t bfloat) {
  return std::bit_cast<float>(std::uint32_t{bfloat} << 16);
}

std::vector<float> widen(std::string_view bytes, float (*to_float)(std::uint16_t)) {
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t narrow = 0;
    std::memcpy(&narrow, bytes.data() + 2 * i, 2);
    values[i] = to_float(narrow);
  }
  return values;
}

/// One member of the header; `what` names file and tensor for errors.
Result<SafetensorsTensor> parse_tensor(const Json& entry, const std::string& what,
                                       std::uint64_t data_begin, std::uint64_t data_bytes) {
  const auto corrupt = [&what](std::string_view fault) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}: get the file again", what, fault));
  };
  const auto is_count = [](const Json& number) { return number.is_number_unsigned(); };
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2 ||
      !std::ranges::all_of(entry["shape"], is_count) ||
      !std::ranges::all_of(entry["data_offsets"], is_count)) {
    return corrupt("expected dtype, shape and two data_offsets");
  }

  SafetensorsTensor tensor;
  tensor.dtype = entry["dtype"].get<std::string>();
  const std::uint64_t type_bytes = size_of(tensor.dtype);
  if (type_bytes == 0) return corrupt(fmt::format("unknown dtype \"{}\"", tensor.dtype));

  // Bounded by the data at each step, so the product cannot overflow: both factors fit in the file.
  std::uint64_t elements = 1;
  for (const Json& dimension : entry["shape"]) {
    const auto extent = dimension.get<std::uint64_t>();
    if (extent > data_bytes || (extent != 0 && elements > data_bytes / extent)) {
      return corrupt("the shape is larger than the file");
    }
    elements *= extent;
    tensor.shape.push_back(static_cast<std::int64_t>(extent));
  }
  tensor.elements = static_cast<std::int64_t>(elements);

  const auto begin = entry["data_offsets"][0].get<std::uint64_t>();
  const auto end = entry["data_offsets"][1].get<std::uint64_t>();
  if (begin > end || end > data_bytes) {
    return corrupt(fmt::format("data_offsets [{}, {}] are outside the {} bytes of data", begin, end,
                               data_bytes));
  }
  tensor.begin = data_begin + begin;
  tensor.bytes = end - begin;
  if (tensor.bytes / type_bytes != elements || tensor.bytes % type_bytes != 0) {
    return corrupt(fmt::format("{} bytes do not hold {} elements of {}", tensor.bytes, elements,
                               tensor.dtype));
  }
  return tensor;
}

}  // namespace

Result<Safetensors> Safetensors::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return fail(code, fmt::format("{}: cannot open: {}", path.string(), std::strerror(errno)));
  }
  Safetensors file(path.string(), descriptor);
  TRY_VOID(file.read_header());
  return file;
}

Safetensors::Safetensors(Safetensors&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      tensors_(std::move(other.tensors_)) {}

Safetensors& Safetensors::operator=(Safetensors&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(tensors_, other.tensors_);
  return *this;
}

Safetensors::~Safetensors() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> Safetensors::read_header() {
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::kIo, fmt::format("{}: is not a regular file", path_));
  }
  const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
  if (file_bytes < kLengthBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} bytes are too few for a safetensors file", path_, file_bytes));
  }
  TRY(const std::string length_field, read_bytes(0, kLengthBytes));
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, length_field.data(), kLengthBytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file_bytes - kLengthBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: its header claims {} bytes of a file of {}: not a whole "
                            "safetensors file",
                            path_, header_bytes, file_bytes));
  }
  TRY(const std::string header_text, read_bytes(kLengthBytes, header_bytes));
  auto header =
      parse_json(header_text, path_ + ": safetensors header",
                 {.max_bytes = kMaxHeaderBytes, .max_depth = 4, .max_members = kMaxTensors});
  if (!header) return fail(ErrorCode::kCorrupt, std::move(header).error().message);
  if (!header->is_object()) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: its header is not an object", path_));
  }

  const std::uint64_t data_begin = kLengthBytes + header_bytes;
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") continue;
    TRY(SafetensorsTensor tensor, parse_tensor(entry, fmt::format("{}: tensor \"{}\"", path_, name),
                                               data_begin, file_bytes - data_begin));
    tensors_.insert_or_assign(name, std::move(tensor));
  }
  return check_layout(data_begin, file_bytes);
}

Result<void> Safetensors::check_layout(std::uint64_t data_begin, std::uint64_t file_bytes) const {
  struct Extent {
    std::uint64_t begin, end;
    const std::string* name;
  };
  std::vector<Extent> extents;
  extents.reserve(tensors_.size());
  for (const auto& [name, tensor] : tensors_) {
    extents.push_back({tensor.begin, tensor.begin + tensor.bytes, &name});
  }
  std::ranges::sort(extents, [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t expected = data_begin;
  for (const Extent& extent : extents) {
    if (extent.begin != expected) {
      return fail(
          ErrorCode::kCorrupt,
          fmt::format("{}: tensor \"{}\" {} the one before it: get the file again", path_,
                      *extent.name, extent.begin < expected ? "overlaps" : "leaves a gap after"));
    }
    expected = extent.end;
  }
  if (expected != file_bytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: {} bytes after the last tensor belong to none: get the file again",
                            path_, file_bytes - expected));
  }
  return {};
}

Result<std::string> Safetensors::read_bytes(std::uint64_t offset, std::uint64_t count) const {
  std::string bytes(count, '\0');
  std::uint64_t done = 0;
  while (done < count) {
    const ssize_t got =
        ::pread(descriptor_, bytes.data() + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return fail(ErrorCode::kIo,
                  fmt::format("{}: cannot read {} bytes at {}: {}", path_, count, offset,
                              got == 0 ? "the file became shorter" : std::strerror(errno)));
    }
    done += static_cast<std::uint64_t>(got);
  }
  return bytes;
}

Result<const SafetensorsTensor*> Safetensors::find(std::string_view name,
                                                   const std::vector<std::int64_t>& shape) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: has no tensor \"{}\"", path_, name));
  }
  const SafetensorsTensor& tensor = found->second;
  if (tensor.shape != shape) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: tensor \"{}\" has shape [{}], expected [{}]", path_, name,
                            fmt::join(tensor.shape, ", "), fmt::join(shape, ", ")));
  }
  return &tensor;
}

Result<std::vector<float>> Safetensors::read_floats(std::string_view name,
                                                    const std::vector<std::int64_t>& shape) const {
  TRY(const SafetensorsTensor* const found, find(name, shape));
  const SafetensorsTensor& tensor = *found;
  if (tensor.dtype != "F32" && tensor.dtype != "F16" && tensor.dtype != "BF16") {
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: tensor \"{}\" is {}; F32, F16 and BF16 can be read as weights",
                            path_, name, tensor.dtype));
  }
  TRY(const std::string bytes, read_bytes(tensor.begin, tensor.bytes));
  if (tensor.dtype == "F16") return widen(bytes, float_from_half);
  if (tensor.dtype == "BF16") return widen(bytes, float_from_bfloat);
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Result<std::vector<std::int32_t>> Safetensors::read_integers(
    std::string_view name, const std::vector<std::int64_t>& shape) const {
  TRY(const SafetensorsTensor* const tensor, find(name, shape));
  if (tensor->dtype != "I32")
    return fail(ErrorCode::kUnsupported,
                fmt::format("{}: tensor \"{}\" is {}; I32 can be read as whole numbers", path_,
                            name, tensor->dtype));
  TRY(const std::string bytes, read_bytes(tensor->begin, tensor->bytes));
  std::vector<std::int32_t> values(bytes.size() / sizeof(std::int32_t));
  if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

Result<std::string> Safetensors::read_text(std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end() || found->second.dtype != "U8") {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: has no text \"{}\"", path_, name));
  }
  return read_bytes(found->second.begin, found->second.bytes);
}

Result<Safetensors> Safetensors::part(std::string_view prefix) const {
  const int descriptor = ::fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0)
    return fail(ErrorCode::kIo, fmt::format("{}: cannot open: {}", path_, std::strerror(errno)));
  Safetensors file(fmt::format("{}: {}", path_, prefix), descriptor);
  for (auto tensor = tensors_.lower_bound(prefix);
       tensor != tensors_.end() && tensor->first.starts_with(prefix); ++tensor)
    file.tensors_.emplace(tensor->first.substr(prefix.size()), tensor->second);
  return file;
}

SafetensorsWriter& SafetensorsWriter::add(const std::string& name, std::vector<std::int64_t> shape,
                                          std::span<const float> values) {
  return add_bytes(name, "F32", std::move(shape),
                   {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

SafetensorsWriter& SafetensorsWriter::add(const std::string& name, std::vector<std::int64_t> shape,
                                          std::span<const std::int32_t> values) {
  return add_bytes(name, "I32", std::move(shape),
                   {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

SafetensorsWriter& SafetensorsWriter::add_bytes(const std::string& name, std::string_view dtype,
                                                std::vector<std::int64_t> shape,
                                                std::string_view bytes) {
  assert(!header_.contains(name));
  header_[name] = {{"dtype", dtype},
                   {"shape", std::move(shape)},
                   {"data_offsets", {data_.size(), data_.size() + bytes.size()}}};
  data_ += bytes;
  return *this;
}

SafetensorsWriter& SafetensorsWriter::add_all(std::string_view prefix,
                                              const SafetensorsWriter& other) {
  for (const auto& [name, entry] : other.header_.items()) {
    Json moved = entry;
    for (Json& offset : moved["data_offsets"]) offset = offset.get<std::size_t>() + data_.size();
    const std::string full = std::string(prefix) + name;
    assert(!header_.contains(full));
    header_[full] = std::move(moved);
  }
  data_ += other.data_;
  return *this;
}

std::string SafetensorsWriter::bytes() const {
  std::string header = dump_json(header_);
  // Spaces up to a multiple of eight, so that the values can be mapped where they lie.
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file + header + data_;
}

Result<void> SafetensorsWriter::write(const std::filesystem::path& path) const {
  return write_file_atomically(path, bytes());
}

}  // namespace rapport::base
