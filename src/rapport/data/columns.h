// Named arrays in one block of bytes, the same in memory as in a file: opening a data set is
// mapping one.
//
//   ColumnsBuilder builder;
//   builder.add<std::int64_t>("offsets", offsets);
//   builder.add_texts("titles", titles.size(), [&](auto i) { return titles[i]; });
//   const Columns columns = builder.build();
//   TRY(const auto offsets, columns.numbers<std::int64_t>("offsets"));
//   TRY(const TextColumn titles, columns.texts("titles"));
//
// Each array begins at a multiple of 64 bytes, numbers little-endian, so that others can read it as
// well: numpy.memmap(file, dtype, "r", offset, count) with the entries of dataset.json.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"

namespace rapport::data {

static_assert(std::endian::native == std::endian::little, "columns are read as they lie on disk");

/// What a column's numbers are called in dataset.json.
template <typename T>
constexpr std::string_view column_type() {
  if constexpr (std::same_as<T, char>) return "bytes";
  if constexpr (std::same_as<T, std::int32_t>) return "int32";
  if constexpr (std::same_as<T, std::int64_t>) return "int64";
  if constexpr (std::same_as<T, float>) return "float32";
  if constexpr (std::same_as<T, double>) return "float64";
}

/// Texts end to end, and where each begins. A view: the columns it came from must outlive it.
class TextColumn {
 public:
  TextColumn() = default;
  /// `offsets` [texts + 1] rises from 0 to the size of `bytes`.
  TextColumn(std::span<const std::int64_t> offsets, std::string_view bytes)
      : offsets_(offsets), bytes_(bytes) {}

  std::size_t size() const { return offsets_.empty() ? 0 : offsets_.size() - 1; }
  std::string_view operator[](std::size_t index) const {
    const auto begin = static_cast<std::size_t>(offsets_[index]);
    return bytes_.substr(begin, static_cast<std::size_t>(offsets_[index + 1]) - begin);
  }

 private:
  std::span<const std::int64_t> offsets_;
  std::string_view bytes_;
};

/// Immutable; cheap to copy; thread-safe. Views into it live as long as any copy of it.
class Columns {
 public:
  struct Entry {
    std::string name;
    std::string type;
    std::int64_t offset = 0;  // bytes
    std::int64_t count = 0;   // numbers
    std::string checksum;     // BLAKE2b of the column's bytes
  };

  Columns() = default;
  /// As `to_json` listed them; `owner` keeps `bytes` alive. Errors: kCorrupt for an entry that is
  /// malformed or lies outside of `bytes`, and for a checksum that does not fit.
  static Result<Columns> parse(const Json& entries, std::string_view bytes,
                               std::shared_ptr<const void> owner);
  Json to_json() const;

  /// Errors: kCorrupt when there is none of that name, or of another type.
  template <typename T>
  Result<std::span<const T>> numbers(std::string_view name) const {
    TRY(const std::string_view found, find(name, column_type<T>()));
    return std::span<const T>(reinterpret_cast<const T*>(found.data()), found.size() / sizeof(T));
  }
  /// Errors: kCorrupt when there are none of that name, or their offsets do not rise to the end.
  Result<TextColumn> texts(std::string_view name) const;

  std::string_view bytes() const { return bytes_; }
  const std::vector<Entry>& entries() const { return entries_; }
  /// Over the checksums, names and types of the columns whose name begins with `prefix`.
  std::string checksum(std::string_view prefix) const;

 private:
  friend class ColumnsBuilder;
  Result<std::string_view> find(std::string_view name, std::string_view type) const;

  std::vector<Entry> entries_;
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
};

class ColumnsBuilder {
 public:
  /// `name` is new.
  template <typename T>
  void add(std::string name, std::span<const T> numbers) {
    append(std::move(name), column_type<T>(), static_cast<std::int64_t>(numbers.size()),
           {reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
  }
  /// Becomes the columns NAME.offsets and NAME.bytes.
  template <typename Text>
  void add_texts(const std::string& name, std::size_t size, Text text) {
    std::vector<std::int64_t> offsets{0};
    offsets.reserve(size + 1);
    std::string bytes;
    for (std::size_t i = 0; i < size; ++i) {
      bytes += text(i);
      offsets.push_back(static_cast<std::int64_t>(bytes.size()));
    }
    add<std::int64_t>(name + ".offsets", offsets);
    add<char>(name + ".bytes", bytes);
  }
  /// Those of another whose name begins with `prefix`.
  void add(const Columns& columns, std::string_view prefix);

  Columns build();

 private:
  void append(std::string name, std::string_view type, std::int64_t count, std::string_view bytes);

  std::vector<Columns::Entry> entries_;
  std::string bytes_;
};

}  // namespace rapport::data
