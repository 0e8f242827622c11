#include "rapport/data/catalogue.h"

#include <fmt/format.h>

#include <cassert>
#include <cmath>
#include <limits>

#include "rapport/base/text.h"
#include "rapport/data/columns.h"
#include "rapport/data/id_column.h"

namespace rapport::data {
namespace {

// How a column says that nothing is known.
constexpr std::int32_t kNoYear = std::numeric_limits<std::int32_t>::min();
constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

std::optional<double> known(double number) {
  return std::isnan(number) ? std::nullopt : std::optional(number);
}

Result<void> check_texts(const Item& item) {
  const auto refuse = [&](std::string_view what) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the {} of item \"{}\" is not UTF-8", what, item.id));
  };
  if (!base::is_utf8(item.title)) return refuse("title");
  if (!base::is_utf8(item.brand)) return refuse("brand");
  for (const std::string& category : item.categories)
    if (!base::is_utf8(category)) return refuse("category");
  return {};
}

template <typename T, typename Value>
void add_numbers(ColumnsBuilder& builder, const char* name, const std::vector<Item>& items,
                 Value value) {
  std::vector<T> numbers(items.size());
  std::ranges::transform(items, numbers.begin(), value);
  builder.add<T>(name, numbers);
}

void add_categories(ColumnsBuilder& builder, const std::vector<Item>& items) {
  std::vector<std::int64_t> first{0};  // [items + 1] into the texts
  std::vector<std::string_view> all;
  for (const Item& item : items) {
    all.insert(all.end(), item.categories.begin(), item.categories.end());
    first.push_back(static_cast<std::int64_t>(all.size()));
  }
  builder.add<std::int64_t>("items.categories.first", first);
  builder.add_texts("items.categories", all.size(), [&](std::size_t i) { return all[i]; });
}

}  // namespace

struct Catalogue::Contents {
  Columns columns;  // what the views below look into; those of a data set have others beside
  IdColumn ids;
  TextColumn titles, brands, categories;
  std::span<const std::int64_t> first_category;
  std::span<const std::int32_t> years;
  std::span<const double> prices, sales_ranks;
};

Catalogue::Catalogue() {
  static const Catalogue kEmpty = create({}).value();  // nothing in it can be wrong
  contents_ = kEmpty.contents_;
}

Result<Catalogue> Catalogue::create(std::vector<Item> items) {
  ColumnsBuilder builder;
  const std::vector<std::string_view> ids = [&] {
    std::vector<std::string_view> views(items.size());
    std::ranges::transform(items, views.begin(), &Item::id);
    return views;
  }();
  TRY_VOID(IdColumn::write(builder, "items.id", "item", ids));
  for (const Item& item : items) TRY_VOID(check_texts(item));
  builder.add_texts("items.title", items.size(), [&](auto i) { return items[i].title; });
  builder.add_texts("items.brand", items.size(), [&](auto i) { return items[i].brand; });
  add_categories(builder, items);
  add_numbers<std::int32_t>(builder, "items.year", items,
                            [](const Item& item) { return item.year.value_or(kNoYear); });
  add_numbers<double>(builder, "items.price", items,
                      [](const Item& item) { return item.price.value_or(kNoNumber); });
  add_numbers<double>(builder, "items.sales_rank", items,
                      [](const Item& item) { return item.sales_rank.value_or(kNoNumber); });
  return read(builder.build());
}

Result<Catalogue> Catalogue::read(const Columns& columns) {
  auto contents = std::make_shared<Contents>();
  contents->columns = columns;
  TRY(contents->ids, IdColumn::read(columns, "items.id"));
  TRY(contents->titles, columns.texts("items.title"));
  TRY(contents->brands, columns.texts("items.brand"));
  TRY(contents->categories, columns.texts("items.categories"));
  TRY(contents->first_category, columns.numbers<std::int64_t>("items.categories.first"));
  TRY(contents->years, columns.numbers<std::int32_t>("items.year"));
  TRY(contents->prices, columns.numbers<double>("items.price"));
  TRY(contents->sales_ranks, columns.numbers<double>("items.sales_rank"));
  const std::size_t size = contents->ids.size();
  if (contents->titles.size() != size || contents->brands.size() != size ||
      contents->years.size() != size || contents->prices.size() != size ||
      contents->sales_ranks.size() != size)
    return fail(ErrorCode::kCorrupt, "the columns of the items differ in length");
  const auto first = contents->first_category;
  if (first.size() != size + 1 || first.front() != 0 || !std::ranges::is_sorted(first) ||
      first.back() != static_cast<std::int64_t>(contents->categories.size()))
    return fail(ErrorCode::kCorrupt, "column items.categories.first does not fit the categories");
  return Catalogue(std::move(contents));
}

void Catalogue::write(ColumnsBuilder& builder) const {
  builder.add(contents_->columns, "items.");
}

std::int64_t Catalogue::size() const {
  return static_cast<std::int64_t>(contents_->ids.size());
}

std::string_view Catalogue::id(ItemIndex item) const {
  assert(item >= 0 && item < size());
  return contents_->ids[static_cast<std::size_t>(item)];
}

std::string_view Catalogue::title(ItemIndex item) const {
  assert(item >= 0 && item < size());
  return contents_->titles[static_cast<std::size_t>(item)];
}

Item Catalogue::item(ItemIndex item) const {
  assert(item >= 0 && item < size());
  const auto i = static_cast<std::size_t>(item);
  Item found{.id = std::string(contents_->ids[i]),
             .title = std::string(contents_->titles[i]),
             .brand = std::string(contents_->brands[i]),
             .price = known(contents_->prices[i]),
             .sales_rank = known(contents_->sales_ranks[i])};
  if (contents_->years[i] != kNoYear) found.year = contents_->years[i];
  for (auto c = contents_->first_category[i]; c < contents_->first_category[i + 1]; ++c)
    found.categories.emplace_back(contents_->categories[static_cast<std::size_t>(c)]);
  return found;
}

std::optional<ItemIndex> Catalogue::find(std::string_view id) const {
  return contents_->ids.find(id);
}

}  // namespace rapport::data
