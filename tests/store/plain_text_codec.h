// Text as it is: for tests of what the store does with it, in files that the test can look into.
#pragma once

#include <string>

#include "rapport/store/personal_text.h"

namespace rapport::store {

class PlainTextCodec final : public PersonalTextCodec {
 public:
  Result<std::string> seal(const FieldPlace&, std::string_view text) const override {
    return std::string(text);
  }
  Result<std::string> open(const FieldPlace&, std::string_view sealed) const override {
    return std::string(sealed);
  }
};

}  // namespace rapport::store
