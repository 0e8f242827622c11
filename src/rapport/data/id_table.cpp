#include "rapport/data/id_table.h"

#include "rapport/data/id_hash.h"

namespace rapport::data {
namespace {

constexpr std::int32_t kFree = -1;

}  // namespace

std::string_view IdTable::operator[](std::int32_t number) const {
  const auto i = static_cast<std::size_t>(number);
  const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
  return std::string_view(bytes_).substr(begin, ends_[i] - begin);
}

std::size_t IdTable::slot_of(std::string_view id) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = id_hash(id) & mask;
  while (slots_[slot] != kFree && (*this)[slots_[slot]] != id) slot = (slot + 1) & mask;
  return slot;
}

void IdTable::grow() {
  slots_.assign(slots_.empty() ? 64 : 2 * slots_.size(), kFree);
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    const auto number = static_cast<std::int32_t>(i);
    slots_[slot_of((*this)[number])] = number;
  }
}

std::int32_t IdTable::add(std::string_view id) {
  if (2 * (size() + 1) > slots_.size()) grow();
  const std::size_t slot = slot_of(id);
  if (slots_[slot] == kFree) {
    slots_[slot] = static_cast<std::int32_t>(size());
    bytes_ += id;
    ends_.push_back(bytes_.size());
  }
  return slots_[slot];
}

std::optional<std::int32_t> IdTable::find(std::string_view id) const {
  if (slots_.empty()) return std::nullopt;
  const std::int32_t number = slots_[slot_of(id)];
  return number == kFree ? std::nullopt : std::optional(number);
}

}  // namespace rapport::data
