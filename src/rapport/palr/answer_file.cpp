#include "rapport/palr/answer_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "rapport/base/files.h"
#include "rapport/base/json_member.h"

namespace rapport::palr {
namespace {

constexpr const char* kFormat = "rapport answers of a language model";
constexpr std::int64_t kVersion = 1;
constexpr std::size_t kMaxBytes = std::size_t{4} << 30;

tl::unexpected<Error> io_error(const std::filesystem::path& path) {
  return fail(ErrorCode::kIo,
              fmt::format("{}: {}", path.string(), std::generic_category().message(errno)));
}

/// Which member of the header is another one; "" where they are the same.
std::string difference(const Json& theirs, const Json& ours) {
  for (const auto& [key, value] : ours.items())
    if (!theirs.contains(key) || theirs[key] != value) return key;
  return "";
}

Result<void> check_header(const Json& json, const std::filesystem::path& path,
                          std::string_view kind, const data::Dataset& dataset) {
  if (base::text_member(json, "format") != kFormat || base::text_member(json, "kind") != kind)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} does not hold a language model's {}", path.string(), kind));
  const Json* version = base::member(json, "version", &Json::is_number_integer);
  if (version == nullptr || *version != kVersion)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} is of another version of Rapport: ask anew", path.string()));
  const Json* data = base::member(json, "data", &Json::is_object);
  if (data == nullptr || base::text_member(*data, "checksum") != dataset.checksum())
    return fail(ErrorCode::kConflict, fmt::format("{} is of other interactions than {}: ask anew",
                                                  path.string(), dataset.name()));
  return {};
}

struct Contents {
  Json header;
  std::int64_t answers = 0;
  std::size_t bytes = 0;  // of whole lines
};

/// `text` is the file's.
Result<Contents> parse(std::string_view text, const std::filesystem::path& path,
                       std::string_view kind, const data::Dataset& dataset,
                       const AnswerFile::OnLine& on_line) {
  Contents contents;
  std::int64_t number = 0;
  const auto corrupt = [&](std::string_view fault) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}:{}: {}", path.string(), number, fault));
  };
  while (contents.bytes < text.size()) {
    const std::size_t end = text.find('\n', contents.bytes);
    if (end == text.npos) break;  // torn off
    ++number;
    const auto json = base::parse_json(text.substr(contents.bytes, end - contents.bytes), "line");
    contents.bytes = end + 1;
    if (!json) return corrupt(json.error().message);
    if (number == 1) {
      TRY_VOID(check_header(*json, path, kind, dataset));
      contents.header = *json;
      continue;
    }
    const Json* id = base::member(*json, "user", &Json::is_string);
    const Json* history = base::member(*json, "history", &Json::is_number_unsigned);
    const Json* weight = base::member(*json, "weight", &Json::is_number);
    if (id == nullptr || history == nullptr || weight == nullptr)
      return corrupt("a user, a weight or the length of a history is missing");
    const auto user = dataset.people().find(id->get<std::string>());
    if (!user) return corrupt("its user is not in the data set");
    if (const std::string fault =
            on_line({*user, history->get<std::size_t>()}, weight->get<float>(), *json);
        !fault.empty())
      return corrupt(fault);
    ++contents.answers;
  }
  if (number == 0) return corrupt("it has no header");
  return contents;
}

}  // namespace

std::vector<AskedUser> users_to_ask(const data::Dataset& dataset, data::Split split,
                                    const Lot& lot) {
  std::vector<AskedUser> asked;
  for (std::size_t i = 0; i < lot.users.size(); ++i)
    if (const auto held_out = data::held_out(dataset, lot.users[i], split))
      asked.push_back({lot.users[i], lot.weights[i], *held_out});
  return asked;
}

Json AnswerFile::header(std::string_view kind, const data::Dataset& dataset,
                        const language::EmbeddedModel* model, const AskingContext& context,
                        const Json& how) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"kind", kind},
               {"model", model != nullptr ? Json(model->models().front().id) : Json()},
               {"fingerprint", model != nullptr ? Json(model->fingerprint()) : Json()},
               {"tuned", context.tuned},
               {"data", {{"name", dataset.name()}, {"checksum", dataset.checksum()}}}};
  json.update(how);
  return json;
}

Result<Json> AnswerFile::read(const std::filesystem::path& path, std::string_view kind,
                              const data::Dataset& dataset, const OnLine& on_line) {
  TRY(const std::string text, base::read_file(path, kMaxBytes));
  TRY(Contents contents, parse(text, path, kind, dataset, on_line));
  return std::move(contents.header);
}

Result<AnswerFile> AnswerFile::begin(const std::filesystem::path& path, const Json& header,
                                     const data::Dataset& dataset, OnLine on_line) {
  if (path.has_parent_path()) TRY_VOID(base::ensure_directory(path.parent_path()));
  AnswerFile file(path, dataset,
                  ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (file.descriptor_ < 0) return io_error(path);
  if (::flock(file.descriptor_, LOCK_EX | LOCK_NB) != 0)
    return fail(ErrorCode::kConflict,
                fmt::format("another process writes to {}: wait for it, or name another --output",
                            path.string()),
                "output");
  TRY(const std::string text, base::read_file(path, kMaxBytes));
  std::size_t whole = 0;
  if (text.find('\n') != text.npos) {
    TRY(const Contents there, parse(text, path, header["kind"].get<std::string>(), dataset,
                                    [&](const AskedKey& key, float weight, const Json& line) {
                                      file.there_.insert(key);
                                      return on_line(key, weight, line);
                                    }));
    const std::string other = difference(there.header, header);
    if (!other.empty() && there.answers > 0)
      return fail(ErrorCode::kConflict,
                  fmt::format("{} was made with another {}: name another --output, or ask as it "
                              "was asked",
                              path.string(), other),
                  "output");
    whole = other.empty() ? there.bytes : 0;
  } else if (!text.empty() && !base::dump_json(header).starts_with(text)) {
    // Not the beginning of our header, which a run that was killed may leave: somebody else's file.
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is no file of answers: name another --output", path.string()),
                "output");
  }
  if (::ftruncate(file.descriptor_, static_cast<off_t>(whole)) != 0) return io_error(path);
  if (whole == 0) TRY_VOID(file.write(base::dump_json(header) + "\n"));
  file.on_line_ = std::move(on_line);
  return file;
}

AnswerFile::AnswerFile(AnswerFile&& other) noexcept
    : path_(std::move(other.path_)),
      dataset_(other.dataset_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      on_line_(std::move(other.on_line_)),
      there_(std::move(other.there_)) {}

AnswerFile::~AnswerFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> AnswerFile::write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error(path_);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> AnswerFile::append(const AskedUser& user, const Json& answer) {
  Json line = {{"user", dataset_->people().id(user.user)},
               {"history", user.held_out.history.size()},
               {"weight", user.weight}};
  line.update(answer);
  TRY_VOID(write(base::dump_json(line) + "\n"));
  there_.insert(user.key());
  if (const std::string fault = on_line_(user.key(), user.weight, line); !fault.empty())
    return fail(ErrorCode::kInternal, fmt::format("{}: {}", path_.string(), fault));
  return {};
}

Result<std::int64_t> ask_each(
    AnswerFile& file, std::span<const AskedUser> users, std::size_t side_by_side,
    const std::function<Result<std::vector<Json>>(std::span<const AskedUser>)>& ask,
    const AskingContext& context) {
  std::vector<AskedUser> missing;
  std::ranges::copy_if(users, std::back_inserter(missing),
                       [&](const AskedUser& user) { return !file.has(user.key()); });
  auto done = static_cast<std::int64_t>(users.size() - missing.size());
  for (std::size_t begin = 0; begin < missing.size(); begin += side_by_side) {
    if (context.on_progress) context.on_progress(done);
    if (context.stop_token.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    const auto group =
        std::span(missing).subspan(begin, std::min(side_by_side, missing.size() - begin));
    TRY(const std::vector<Json> answers, ask(group));
    if (context.stop_token.stop_requested()) return fail(ErrorCode::kCancelled, "stopped");
    for (std::size_t i = 0; i < group.size(); ++i) TRY_VOID(file.append(group[i], answers[i]));
    done += static_cast<std::int64_t>(group.size());
  }
  if (context.on_progress) context.on_progress(done);
  return static_cast<std::int64_t>(missing.size());
}

}  // namespace rapport::palr
