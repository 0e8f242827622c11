#include "rapport/store/personal_columns.h"

#include <fmt/format.h>

namespace rapport::store::sqlite {
namespace {

// What we wrote we must be able to read: bounds that only a damaged row can exceed.
constexpr base::JsonLimits kStoredJson = {
    .max_bytes = std::size_t{1} << 30, .max_depth = 10'000, .max_members = std::size_t{1} << 20};

}  // namespace

PersonalColumns::PersonalColumns(std::shared_ptr<const PersonalTextCodec> codec)
    : codec_(std::move(codec)) {}

Result<void> PersonalColumns::bind(Statement& statement, const FieldPlace& place,
                                   std::string_view text) const {
  if (text.empty()) {
    statement.bind_bytes({});
    return {};
  }
  TRY(const std::string sealed, codec_->seal(place, text));
  statement.bind_bytes(sealed);
  return {};
}

Result<std::string> PersonalColumns::read(const Statement& statement, int column,
                                          const FieldPlace& place) const {
  const std::string sealed = statement.text(column);
  if (sealed.empty()) return std::string();
  return codec_->open(place, sealed);
}

Result<void> PersonalColumns::bind_json(Statement& statement, const FieldPlace& place,
                                        const Json& document) const {
  return bind(statement, place, base::dump_json(document));
}

Result<Json> PersonalColumns::read_json(const Statement& statement, int column,
                                        const FieldPlace& place) const {
  TRY(const std::string text, read(statement, column, place));
  if (text.empty()) return Json::object();
  Result<Json> document = base::parse_json(text, place.table, kStoredJson);
  if (!document) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}.{} of {} is not the JSON that was stored: put a backup back with "
                            "`rapport restore`",
                            place.table, place.column, place.row));
  }
  return document;
}

}  // namespace rapport::store::sqlite
