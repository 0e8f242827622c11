#include "rapport/data/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "rapport/base/digest.h"

namespace rapport::data {
namespace {

/// A cache line, and more than any number's own alignment.
constexpr std::size_t kAlignment = 64;

/// Bytes of one number, 0 for a type that there is none of.
std::int64_t size_of(std::string_view type) {
  if (type == "bytes") return 1;
  if (type == "int32" || type == "float32") return 4;
  if (type == "int64" || type == "float64") return 8;
  return 0;
}

Result<std::string> text_member(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_string())
    return fail(ErrorCode::kCorrupt, fmt::format("a column without {}", key));
  return found->get<std::string>();
}

Result<std::int64_t> count_member(const Json& entry, const char* key) {
  const auto found = entry.find(key);
  if (found == entry.end() || !found->is_number_integer() || *found < 0 ||
      *found > std::numeric_limits<std::int64_t>::max())
    return fail(ErrorCode::kCorrupt, fmt::format("a column whose {} is no count", key));
  return found->get<std::int64_t>();
}

Result<Columns::Entry> parse_entry(const Json& json, std::string_view bytes) {
  if (!json.is_object()) return fail(ErrorCode::kCorrupt, "a column that is no object");
  Columns::Entry entry;
  TRY(entry.name, text_member(json, "name"));
  TRY(entry.type, text_member(json, "type"));
  TRY(entry.offset, count_member(json, "offset"));
  TRY(entry.count, count_member(json, "count"));
  TRY(entry.checksum, text_member(json, "blake2b"));
  const std::int64_t size = size_of(entry.type);
  if (size == 0) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("column {} has the unknown type \"{}\"", entry.name, entry.type));
  }
  const auto available = static_cast<std::int64_t>(bytes.size());
  if (entry.offset > available || entry.count > (available - entry.offset) / size) {
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("column {} ends beyond the {} bytes that there are", entry.name, bytes.size()));
  }
  if (entry.offset % static_cast<std::int64_t>(kAlignment) != 0)
    return fail(ErrorCode::kCorrupt, fmt::format("column {} is not aligned", entry.name));
  return entry;
}

std::string_view bytes_of(const Columns::Entry& entry, std::string_view all) {
  return all.substr(static_cast<std::size_t>(entry.offset),
                    static_cast<std::size_t>(entry.count * size_of(entry.type)));
}

}  // namespace

Result<Columns> Columns::parse(const Json& entries, std::string_view bytes,
                               std::shared_ptr<const void> owner) {
  if (!entries.is_array()) return fail(ErrorCode::kCorrupt, "the columns are not listed");
  Columns columns;
  columns.bytes_ = bytes;
  columns.owner_ = std::move(owner);
  for (const Json& json : entries) {
    TRY(Entry entry, parse_entry(json, bytes));
    if (base::digest(bytes_of(entry, bytes)) != entry.checksum) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("column {} does not have its checksum", entry.name));
    }
    columns.entries_.push_back(std::move(entry));
  }
  return columns;
}

Json Columns::to_json() const {
  Json list = Json::array();
  for (const Entry& entry : entries_) {
    list.push_back({{"name", entry.name},
                    {"type", entry.type},
                    {"offset", entry.offset},
                    {"count", entry.count},
                    {"blake2b", entry.checksum}});
  }
  return list;
}

Result<std::string_view> Columns::find(std::string_view name, std::string_view type) const {
  const auto found = std::ranges::find(entries_, name, &Entry::name);
  if (found == entries_.end())
    return fail(ErrorCode::kCorrupt, fmt::format("there is no column {}", name));
  if (found->type != type) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("column {} holds {}, not {}", name, found->type, type));
  }
  return bytes_of(*found, bytes_);
}

Result<TextColumn> Columns::texts(std::string_view name) const {
  TRY(const auto offsets, numbers<std::int64_t>(fmt::format("{}.offsets", name)));
  TRY(const auto bytes, numbers<char>(fmt::format("{}.bytes", name)));
  if (offsets.empty() || offsets.front() != 0 ||
      offsets.back() != static_cast<std::int64_t>(bytes.size()) || !std::ranges::is_sorted(offsets))
    return fail(ErrorCode::kCorrupt, fmt::format("the offsets of column {} are wrong", name));
  return TextColumn(offsets, {bytes.data(), bytes.size()});
}

std::string Columns::checksum(std::string_view prefix) const {
  std::string all;
  for (const Entry& entry : entries_) {
    if (entry.name.starts_with(prefix))
      all += fmt::format("{} {} {}\n", entry.name, entry.type, entry.checksum);
  }
  return base::digest(all);
}

void ColumnsBuilder::add(const Columns& columns, std::string_view prefix) {
  for (const Columns::Entry& entry : columns.entries()) {
    if (entry.name.starts_with(prefix))
      append(entry.name, entry.type, entry.count, bytes_of(entry, columns.bytes()));
  }
}

void ColumnsBuilder::append(std::string name, std::string_view type, std::int64_t count,
                            std::string_view bytes) {
  bytes_.resize((bytes_.size() + kAlignment - 1) / kAlignment * kAlignment);
  entries_.push_back({.name = std::move(name),
                      .type = std::string(type),
                      .offset = static_cast<std::int64_t>(bytes_.size()),
                      .count = count,
                      .checksum = base::digest(bytes)});
  bytes_ += bytes;
}

Columns ColumnsBuilder::build() {
  // A string's memory, in place or on the heap, is aligned for numbers of 8 bytes.
  auto owner = std::make_shared<const std::string>(std::move(bytes_));
  Columns columns;
  columns.bytes_ = *owner;
  columns.owner_ = std::move(owner);
  columns.entries_ = std::move(entries_);
  return columns;
}

}  // namespace rapport::data
