// Turns the ids of a source into numbers while it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rapport::data {

/// Numbers follow first appearance, so they may not leave the preparation of a data set (see
/// dataset.h). Not thread-safe.
class IdTable {
 public:
  /// The id's number; a new one for a new id. At most 2³¹ − 1 of them.
  std::int32_t add(std::string_view id);
  std::optional<std::int32_t> find(std::string_view id) const;

  std::size_t size() const { return ends_.size(); }
  /// Until the next `add`.
  std::string_view operator[](std::int32_t number) const;

 private:
  /// Where the id is, or the free slot where it belongs.
  std::size_t slot_of(std::string_view id) const;
  void grow();

  std::string bytes_;                // ids end to end
  std::vector<std::size_t> ends_;    // [ids]
  std::vector<std::int32_t> slots_;  // open addressing, a power of two of them; -1 is free
};

}  // namespace rapport::data
