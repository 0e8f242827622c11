// The only two functions of the SQLite store that touch personal text: what is written goes through
// the codec, what is read comes back through it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "rapport/base/json.h"
#include "rapport/store/personal_text.h"
#include "rapport/store/sqlite_connection.h"

namespace rapport::store::sqlite {

/// Thread-safe.
class PersonalColumns {
 public:
  explicit PersonalColumns(std::shared_ptr<const PersonalTextCodec> codec);

  /// Binds the next parameter. Empty text stays empty bytes, unsealed: a forgotten text is then
  /// visibly gone, and needs no key to be read.
  Result<void> bind(Statement& statement, const FieldPlace& place, std::string_view text) const;
  Result<std::string> read(const Statement& statement, int column, const FieldPlace& place) const;

  /// The same for a JSON document.
  Result<void> bind_json(Statement& statement, const FieldPlace& place, const Json& document) const;
  Result<Json> read_json(const Statement& statement, int column, const FieldPlace& place) const;

  /// See PersonalTextCodec.
  Result<void> begin_writing() const { return codec_->begin_writing(); }

 private:
  std::shared_ptr<const PersonalTextCodec> codec_;
};

}  // namespace rapport::store::sqlite
