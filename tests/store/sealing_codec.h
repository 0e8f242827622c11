// A codec that leaves no byte of the text readable and refuses a text that was sealed for another
// place: what an encrypting codec does, without its strength.
#pragma once

#include <fmt/format.h>

#include <string>

#include "rapport/base/digest.h"
#include "rapport/store/personal_text.h"

namespace rapport::store {

class SealingCodec final : public PersonalTextCodec {
 public:
  Result<std::string> seal(const FieldPlace& place, std::string_view text) const override {
    return mark(place) + flipped(text);
  }
  Result<std::string> open(const FieldPlace& place, std::string_view sealed) const override {
    const std::string own = mark(place);
    if (!sealed.starts_with(own)) {
      return fail(ErrorCode::kCorrupt, fmt::format("{}.{} of {} is sealed for another place",
                                                   place.table, place.column, place.row));
    }
    return flipped(sealed.substr(own.size()));
  }

 private:
  static std::string mark(const FieldPlace& place) {
    return base::digest(
        fmt::format("{}/{}/{}/{}", place.user, place.table, place.row, place.column));
  }
  static std::string flipped(std::string_view text) {
    std::string bytes(text);
    for (char& byte : bytes) byte = static_cast<char>(byte ^ 0x5a);
    return bytes;
  }
};

}  // namespace rapport::store
