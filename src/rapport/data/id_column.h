// Ids by number, and numbers by id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "rapport/data/columns.h"

namespace rapport::data {

/// A view into columns, which must outlive it. Thread-safe.
class IdColumn {
 public:
  IdColumn() = default;
  /// Writes the columns NAME.offsets, NAME.bytes and NAME.lookup. Errors: kInvalidArgument for an
  /// id that is empty, no UTF-8 or there twice; `what` names it ("item").
  static Result<void> write(ColumnsBuilder& builder, std::string_view name, std::string_view what,
                            std::span<const std::string_view> ids);
  /// Errors: kCorrupt.
  static Result<IdColumn> read(const Columns& columns, std::string_view name);

  std::size_t size() const { return ids_.size(); }
  std::string_view operator[](std::size_t index) const { return ids_[index]; }
  std::optional<std::int32_t> find(std::string_view id) const;

 private:
  TextColumn ids_;
  std::span<const std::int32_t> lookup_;  // numbers in the order of `comes_before` of their ids
};

}  // namespace rapport::data
