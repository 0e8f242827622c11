// What can be recommended: items with their titles and attributes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/data/indexes.h"

namespace rapport::data {

class Columns;
class ColumnsBuilder;

/// One item as a reader found it. `id` is the source's own.
struct Item {
  std::string id = {};
  std::string title = {};                    // "" when the source has none
  std::vector<std::string> categories = {};  // genres, or the path in a shop
  std::string brand = {};                    // "" when unknown
  std::optional<std::int32_t> year = {};     // of release
  std::optional<double> price = {};          // in the source's currency
  std::optional<double> sales_rank = {};
};

/// Immutable once in a data set; cheap to copy; thread-safe.
class Catalogue {
 public:
  Catalogue();
  /// `items[i]` becomes item i. Errors: kInvalidArgument for an empty id or one that comes twice.
  static Result<Catalogue> create(std::vector<Item> items);

  std::int64_t size() const;
  std::string_view id(ItemIndex item) const;
  std::string_view title(ItemIndex item) const;
  Item item(ItemIndex item) const;
  std::optional<ItemIndex> find(std::string_view id) const;

 private:
  friend class Dataset;
  struct Contents;
  explicit Catalogue(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}
  /// As `write` left it. Errors: kCorrupt.
  static Result<Catalogue> read(const Columns& columns);
  void write(ColumnsBuilder& builder) const;

  std::shared_ptr<const Contents> contents_;
};

}  // namespace rapport::data
