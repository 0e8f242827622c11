// The one door through which personal text enters and leaves the store. EncryptingCodec is the one
// of the program; tests have others.
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::store {

/// Where a text lies; an encrypting codec binds it as associated data, so that a row cannot be
/// swapped for another.
struct FieldPlace {
  std::string_view user;  // pseudonym; "" where the row belongs to nobody
  std::string_view table;
  std::string_view row;
  std::string_view column;
};

class PersonalTextCodec {
 public:
  virtual ~PersonalTextCodec() = default;
  /// What is written to disk. Thread-safe.
  virtual Result<std::string> seal(const FieldPlace& place, std::string_view text) const = 0;
  /// The text again. Errors: kCorrupt. Thread-safe.
  virtual Result<std::string> open(const FieldPlace& place, std::string_view sealed) const = 0;
  /// Called at the begin of each transaction that writes, with the store locked: what is sealed in
  /// it must be sealed with keys that are still valid. Cheap. Thread-safe.
  virtual Result<void> begin_writing() const { return {}; }
};

}  // namespace rapport::store
