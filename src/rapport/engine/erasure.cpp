#include "rapport/engine/erasure.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rapport/base/digest.h"
#include "rapport/base/log.h"

namespace rapport::engine {
namespace {

Json erased_by_kind(const PersonalData& data, const store::RowCounts& rows,
                    const std::map<std::string, std::int64_t>& beside) {
  Json counts = Json::object();
  for (const PersonalDataKind& kind : data.kinds()) {
    std::int64_t count = 0;
    for (const std::string& table : kind.tables) {
      if (const auto found = rows.find(table); found != rows.end()) count += found->second;
    }
    if (const auto found = beside.find(kind.name); found != beside.end()) count += found->second;
    if (count != 0) counts[kind.name] = count;
  }
  return counts;
}

Result<Json> parse_receipt(const std::string& text) {
  return base::parse_json(text, "receipt");
}

tl::unexpected<Error> broken(const std::string& what) {
  return fail(ErrorCode::kCorrupt, what);
}

}  // namespace

std::string receipt_hash(Json receipt) {
  receipt.erase("hash");
  return base::digest(base::dump_json(receipt));
}

Eraser::Eraser(store::Store& store, store::UserKeys& keys, const PersonalData& data,
               std::filesystem::path home, const base::Clock& clock)
    : store_(store), keys_(keys), data_(data), home_(std::move(home)), clock_(clock) {}

Result<Json> Eraser::erase(const store::UserId& user) {
  TRY(const store::RowCounts rows, store_.rows_of(user));
  if (rows.empty() && !keys_.to_open(user)) {
    TRY(const auto unfinished, keys_.unfinished_erasures());
    const bool begun = std::ranges::any_of(
        unfinished, [&](const store::ErasureRecord& each) { return each.user == user; });
    if (!begun) {
      return fail(ErrorCode::kNotFound, "nothing is kept of this user: check the name", "user");
    }
  }
  TRY(const store::ErasureRecord erasure, keys_.begin_erasure(user));
  return finish(erasure);
}

Result<Json> Eraser::finish(const store::ErasureRecord& erasure) {
  TRY(const store::RowCounts rows, store_.erase_user(erasure.user, erasure.seq));
  std::map<std::string, std::int64_t> beside;
  Json artefacts = Json::array();
  for (const PersonalDataKind& kind : data_.kinds()) {
    if (kind.contributed) {
      TRY(const auto names, kind.contributed(erasure.user));
      for (const std::string& name : names) artefacts.push_back(name);
    }
    if (kind.erase) {
      TRY(beside[kind.name], kind.erase(erasure.user));
    }
  }
  forget(erasure.user);
  TRY_VOID(prove_gone(erasure.user));
  TRY(const std::string text,
      keys_.finish_erasure(erasure.seq, [&](const std::string& before) -> Result<std::string> {
        std::string previous;
        if (!before.empty()) {
          TRY(const Json last, parse_receipt(before));
          previous = last.value("hash", "");
        }
        Json receipt = {{"object", "erasure"},
                        {"id", erasure.id},
                        {"user", erasure.user},
                        {"begun", base::iso8601(erasure.begun)},
                        {"finished", base::iso8601(clock_.now())},
                        {"erased", erased_by_kind(data_, rows, beside)},
                        {"shared_artefacts", artefacts},
                        {"previous", previous}};
        receipt["hash"] = receipt_hash(receipt);
        return base::dump_json(receipt);
      }));
  return parse_receipt(text);
}

void Eraser::forget(const store::UserId& user) const {
  for (const PersonalDataKind& kind : data_.kinds()) {
    if (kind.forget) kind.forget(user);
  }
}

Result<void> Eraser::prove_gone(const store::UserId& user) {
  TRY(const store::RowCounts rows, store_.rows_of(user));
  std::vector<std::string> left;
  for (const auto& [table, count] : rows)
    left.push_back(fmt::format("{} rows of {}", count, table));
  for (const PersonalDataKind& kind : data_.kinds()) {
    if (!kind.scan) continue;
    TRY(const std::int64_t count, kind.scan(user));
    if (count != 0) left.push_back(fmt::format("{} in {}", count, kind.name));
  }
  if (keys_.read_anew(user)) left.emplace_back("the key");
  if (left.empty()) return {};
  return broken(fmt::format("of user {} there is still: {}", user, fmt::join(left, ", ")));
}

Result<std::int64_t> Eraser::complete() {
  TRY(const auto unfinished, keys_.unfinished_erasures());
  std::int64_t done = 0;
  for (const store::ErasureRecord& erasure : unfinished) {
    TRY_VOID(finish(erasure));
    base::log_info("an erasure that was begun is finished", {{"erasure", erasure.id}});
    ++done;
  }
  TRY(const auto all, keys_.erasures());
  if (all.empty()) return done;
  // The last one tells: a backup from before it lacks it, and one from after it has all.
  TRY(const auto last, store_.not_erased({{all.back().user, all.back().seq}}));
  if (last.empty()) return done;
  std::vector<std::pair<store::UserId, std::int64_t>> erasures;
  for (const store::ErasureRecord& each : all) erasures.emplace_back(each.user, each.seq);
  TRY(const auto back, store_.not_erased(erasures));
  for (const auto& [user, seq] : back) {
    TRY_VOID(store_.erase_user(user, seq));
    forget(user);
    ++done;
  }
  base::log_info("users who were erased after this backup was made are erased again",
                 {{"users", back.size()}});
  return done;
}

Result<Json> Eraser::receipt(const std::string& id) {
  TRY(const store::ErasureRecord erasure, keys_.erasure(id));
  if (!erasure.receipt.empty()) return parse_receipt(erasure.receipt);
  return fail(Error{.code = ErrorCode::kUnavailable,
                    .message = fmt::format("erasure {} is not finished yet", id),
                    .param = {},
                    .reason = {},
                    .retry_after = std::chrono::seconds(1)});
}

Result<std::int64_t> Eraser::check_chain() {
  TRY(std::vector<store::ErasureRecord> all, keys_.erasures());
  std::erase_if(all, [](const store::ErasureRecord& each) { return each.receipt.empty(); });
  std::ranges::sort(all, {}, &store::ErasureRecord::place);
  std::string previous;
  std::int64_t place = 0;
  for (const store::ErasureRecord& each : all) {
    TRY(const Json receipt, parse_receipt(each.receipt));
    const bool whole = each.place == ++place && receipt.value("previous", "?") == previous &&
                       receipt.value("hash", "") == receipt_hash(receipt);
    if (!whole) {
      return broken(
          fmt::format("the chain of receipts is broken at erasure {}: a receipt was "
                      "changed or removed",
                      each.id));
    }
    previous = receipt.value("hash", "");
  }
  return place;
}

Result<Verification> Eraser::verify(const Json& receipt) {
  if (!receipt.is_object() || !receipt.contains("id") || !receipt["id"].is_string()) {
    return fail(ErrorCode::kInvalidArgument, "this is no receipt of an erasure");
  }
  if (receipt.value("hash", Json()) != receipt_hash(receipt)) {
    return broken("this receipt was changed: its hash is another");
  }
  TRY(const Json issued, this->receipt(receipt["id"].get<std::string>()));
  if (base::dump_json(issued) != base::dump_json(receipt)) {
    return broken("this receipt is not the one that was issued");
  }
  Verification verified;
  TRY(verified.receipts, check_chain());
  const auto user = issued["user"].get<std::string>();
  TRY(const store::ErasureRecord erasure, keys_.erasure(issued["id"].get<std::string>()));
  const auto now = store_.user(user);
  // Readable: it is sealed with a key that was made after the old one was destroyed.
  verified.came_back = now && now->created >= erasure.begun;
  if (verified.came_back) return verified;
  TRY_VOID(prove_gone(user));
  TRY(const std::vector<std::string> files, files_with(home_, user));
  for (const std::string& file : files) {
    const std::string path = std::filesystem::path(file).lexically_relative(home_).string();
    // The log of erasures itself names who was erased, there and in `erased`.
    if (path.starts_with("keys/users.db") || path.starts_with("rapport.db")) continue;
    return broken(fmt::format("{} names user {} still", file, user));
  }
  return verified;
}

}  // namespace rapport::engine
