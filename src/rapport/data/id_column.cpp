#include "rapport/data/id_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "rapport/base/text.h"
#include "rapport/data/id_hash.h"

namespace rapport::data {

Result<void> IdColumn::write(ColumnsBuilder& builder, std::string_view name, std::string_view what,
                             std::span<const std::string_view> ids) {
  if (ids.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} {}s are more than a data set can number", ids.size(), what));
  }
  struct Numbered {
    std::uint64_t hash;
    std::int32_t index;
  };
  std::vector<Numbered> order;
  order.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty())
      return fail(ErrorCode::kInvalidArgument, fmt::format("{} {} has an empty id", what, i));
    if (!base::is_utf8(ids[i])) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the id of {} {} is not UTF-8", what, i));
    }
    order.push_back({id_hash(ids[i]), static_cast<std::int32_t>(i)});
  }
  const auto id = [&](const Numbered& n) { return ids[static_cast<std::size_t>(n.index)]; };
  std::ranges::sort(order, [&](const Numbered& a, const Numbered& b) {
    return a.hash != b.hash ? a.hash < b.hash : id(a) < id(b);
  });
  const auto twice = std::ranges::adjacent_find(order, [&](const Numbered& a, const Numbered& b) {
    return a.hash == b.hash && id(a) == id(b);
  });
  if (twice != order.end()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{}s {} and {} have the same id \"{}\"", what, twice->index,
                            std::next(twice)->index, id(*twice)));
  }
  std::vector<std::int32_t> lookup(order.size());
  std::ranges::transform(order, lookup.begin(), &Numbered::index);
  builder.add_texts(std::string(name), ids.size(), [&](std::size_t i) { return ids[i]; });
  builder.add<std::int32_t>(fmt::format("{}.lookup", name), lookup);
  return {};
}

Result<IdColumn> IdColumn::read(const Columns& columns, std::string_view name) {
  IdColumn column;
  TRY(column.ids_, columns.texts(name));
  TRY(column.lookup_, columns.numbers<std::int32_t>(fmt::format("{}.lookup", name)));
  const auto size = column.ids_.size();
  const bool in_range = std::ranges::all_of(column.lookup_, [&](std::int32_t index) {
    return index >= 0 && static_cast<std::size_t>(index) < size;
  });
  if (column.lookup_.size() != size || !in_range)
    return fail(ErrorCode::kCorrupt, fmt::format("column {}.lookup does not fit its ids", name));
  return column;
}

std::optional<std::int32_t> IdColumn::find(std::string_view id) const {
  const auto id_of = [this](std::int32_t index) { return ids_[static_cast<std::size_t>(index)]; };
  const auto found =
      std::ranges::lower_bound(lookup_, id, comes_before, [&](std::int32_t i) { return id_of(i); });
  if (found == lookup_.end() || id_of(*found) != id) return std::nullopt;
  return *found;
}

}  // namespace rapport::data
