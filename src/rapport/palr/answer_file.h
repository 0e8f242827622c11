// What a language model answered about users, in a file: one line of JSON a user and history,
// behind a header that says how it was asked.
//
//   TRY(AnswerFile file, AnswerFile::begin(path, header, dataset, on_line));
//   TRY(const std::int64_t asked, ask_each(file, users, 1, ask, context));
//
// A language model is slow: the file only grows, and a run that was stopped goes on where it was. A
// user's answers for a longer history are other ones, so that the items held out for validation and
// for the test can stand in one file. One process at a time writes to it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "rapport/base/clock.h"
#include "rapport/base/json.h"
#include "rapport/data/dataset.h"
#include "rapport/data/leave_one_out.h"
#include "rapport/language/embedded_model.h"
#include "rapport/palr/lot.h"

namespace rapport::palr {

/// A user with the length of the history that was shown.
using AskedKey = std::pair<data::UserIndex, std::size_t>;

/// A user whose next item is known.
struct AskedUser {
  data::UserIndex user = 0;
  float weight = 1;  // users that they stand for
  data::HeldOut held_out = {};

  AskedKey key() const { return {user, held_out.history.size()}; }
};

/// Those of the lot with an item held out.
std::vector<AskedUser> users_to_ask(const data::Dataset& dataset, data::Split split,
                                    const Lot& lot);

/// The surroundings of asking many users.
struct AskingContext {
  const base::Clock& clock;
  std::int64_t seed = 1;
  Json tuned = {};  // TunedOn::to_json of the model's adapter; null: not tuned
  std::function<void(std::int64_t users)> on_progress = {};  // that are done
  std::stop_token stop_token = {};
};

class AnswerFile {
 public:
  /// Takes a line; returns what is wrong with it, "" for nothing.
  using OnLine = std::function<std::string(const AskedKey& key, float weight, const Json& line)>;

  /// `kind` says what is asked ("scores"), `how` everything that answers hang on; no model is null.
  static Json header(std::string_view kind, const data::Dataset& dataset,
                     const language::EmbeddedModel* model, const AskingContext& context,
                     const Json& how);

  /// What is there; a last line that is torn off is left out. Returns the header. Errors:
  /// kNotFound; kInvalidArgument for another kind of file; kUnsupported (another version of
  /// Rapport); kConflict for another data set; kCorrupt, naming the line.
  static Result<Json> read(const std::filesystem::path& path, std::string_view kind,
                           const data::Dataset& dataset, const OnLine& on_line);

  /// To append to: a new file, or one that was begun with the same header; of one that holds no
  /// answer yet the header may be another. `on_line` gets what is there, and what is appended.
  /// Errors: as `read`; kConflict, naming what of the header differs, or where another process
  /// writes to it; kIo.
  static Result<AnswerFile> begin(const std::filesystem::path& path, const Json& header,
                                  const data::Dataset& dataset, OnLine on_line);

  AnswerFile(AnswerFile&& other) noexcept;
  AnswerFile& operator=(AnswerFile&&) = delete;
  ~AnswerFile();

  bool has(const AskedKey& key) const { return there_.contains(key); }
  /// The line is on its way to the disk when it returns. Errors: kIo.
  Result<void> append(const AskedUser& user, const Json& answer);

 private:
  AnswerFile(std::filesystem::path path, const data::Dataset& dataset, int descriptor)
      : path_(std::move(path)), dataset_(&dataset), descriptor_(descriptor) {}

  Result<void> write(std::string_view text);

  std::filesystem::path path_;
  const data::Dataset* dataset_;
  int descriptor_;  // locked; -1 once moved from
  OnLine on_line_;
  std::set<AskedKey> there_;
};

/// Asks about those of `users` that the file lacks, `side_by_side` at a time: `ask` gives an
/// answer, a JSON object, for each. Returns how many were asked. Errors: those of `ask` and of
/// AnswerFile::append; kCancelled.
Result<std::int64_t> ask_each(
    AnswerFile& file, std::span<const AskedUser> users, std::size_t side_by_side,
    const std::function<Result<std::vector<Json>>(std::span<const AskedUser>)>& ask,
    const AskingContext& context);

}  // namespace rapport::palr
