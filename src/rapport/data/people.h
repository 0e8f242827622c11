// What a source says of its users: what strata and per-group results are made of.
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

/// One user as a reader found it; "" where the source says nothing.
struct Person {
  std::string id = {};
  std::string age_band = {};    // "18-24"
  std::string gender = {};      // as the source has it: "F", "M"
  std::string occupation = {};  // in words
  std::string region = {};      // from the zip code: its first digit
};

/// Immutable once in a data set; cheap to copy; thread-safe.
class People {
 public:
  People();
  /// `people[i]` becomes user i. Errors: kInvalidArgument for an empty id or one that comes twice.
  static Result<People> create(std::vector<Person> people);

  std::int64_t size() const;
  std::string_view id(UserIndex user) const;
  Person person(UserIndex user) const;
  std::optional<UserIndex> find(std::string_view id) const;

 private:
  friend class Dataset;
  struct Contents;
  explicit People(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}
  /// As `write` left it. Errors: kCorrupt.
  static Result<People> read(const Columns& columns);
  void write(ColumnsBuilder& builder) const;

  std::shared_ptr<const Contents> contents_;
};

}  // namespace rapport::data
