#include "rapport/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/text.h"
#include "rapport/data/columns.h"
#include "rapport/data/mapped_file.h"

namespace rapport::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "rapport-dataset";
/// Of what is on disk; raised when an older Rapport could no longer read it.
constexpr std::int64_t kVersion = 1;
constexpr const char* kDescriptionFile = "dataset.json";
constexpr const char* kColumnsFile = "columns.bin";

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<void> check_offsets(std::span<const std::int64_t> offsets, std::size_t interactions) {
  if (offsets.size() < 2 || offsets.front() != 0)
    return invalid("the offsets must begin with 0 and have one more entry than there are users");
  const auto falls = std::ranges::adjacent_find(offsets, std::ranges::greater());
  if (falls != offsets.end())
    return invalid(fmt::format("the offsets fall at user {}", falls - offsets.begin()));
  if (offsets.back() != static_cast<std::int64_t>(interactions)) {
    return invalid(fmt::format("the offsets end at {}, but there are {} interactions",
                               offsets.back(), interactions));
  }
  return {};
}

Result<void> check_sequence(std::span<const ItemIndex> sequence, std::int64_t items) {
  if (items < 1) return invalid("the catalogue is empty");
  const auto outside =
      std::ranges::find_if(sequence, [items](ItemIndex item) { return item < 0 || item >= items; });
  if (outside == sequence.end()) return {};
  return invalid(fmt::format("interaction {} is with item {}, but the catalogue has {}",
                             outside - sequence.begin(), *outside, items));
}

Result<void> check_times(std::span<const std::int64_t> times, std::span<const std::int64_t> offsets,
                         std::size_t interactions) {
  if (times.empty()) return {};
  if (times.size() != interactions)
    return invalid(fmt::format("{} times for {} interactions", times.size(), interactions));
  for (std::size_t user = 0; user + 1 < offsets.size(); ++user) {
    const auto begin = static_cast<std::size_t>(offsets[user]);
    const auto own = times.subspan(begin, static_cast<std::size_t>(offsets[user + 1]) - begin);
    if (!std::ranges::is_sorted(own))
      return invalid(fmt::format("the times of user {} go back: sort each history by time", user));
  }
  return {};
}

Result<void> check_weights(std::span<const float> weights, std::size_t users) {
  if (weights.empty()) return {};
  if (weights.size() != users)
    return invalid(fmt::format("{} weights for {} users", weights.size(), users));
  const auto wrong = std::ranges::find_if(
      weights, [](float weight) { return !std::isfinite(weight) || weight <= 0; });
  if (wrong == weights.end()) return {};
  return invalid(fmt::format("the weight of user {} is {}: it must be above 0",
                             wrong - weights.begin(), *wrong));
}

/// What dataset.json says beside the columns' own checksums, sealed with them.
std::string seal(std::string_view name, const Json& source, const Columns& columns) {
  return base::digest(base::dump_json({{"format", kFormat},
                                       {"name", name},
                                       {"source", source},
                                       {"columns", columns.checksum("")}}));
}

/// The member, or kCorrupt.
template <typename T>
Result<T> member(const Json& json, const char* key, bool (Json::*is_type)() const noexcept) {
  const auto found = json.find(key);
  if (found == json.end() || !((*found).*is_type)())
    return fail(ErrorCode::kCorrupt, fmt::format("{} is missing or of the wrong type", key));
  return found->template get<T>();
}

Result<void> check_format(const Json& description) {
  if (!description.is_object()) return fail(ErrorCode::kCorrupt, "it is no JSON object");
  TRY(const auto format, member<std::string>(description, "format", &Json::is_string));
  if (format != kFormat)
    return fail(ErrorCode::kCorrupt, fmt::format("its format is \"{}\"", format));
  TRY(const auto version, member<std::int64_t>(description, "version", &Json::is_number_integer));
  if (version > kVersion) {
    return fail(ErrorCode::kUnsupported,
                fmt::format("it is version {} of the format, and this Rapport reads {}: prepare "
                            "the data again, or use a newer Rapport",
                            version, kVersion));
  }
  return {};
}

/// Every fault names the file, and the remedy for damage is the same.
Error in_file(Error error, const fs::path& path) {
  const bool damaged = error.code != ErrorCode::kUnsupported;
  if (damaged) error.code = ErrorCode::kCorrupt;
  error.message = fmt::format("{}: {}{}", path.string(), error.message,
                              damaged ? ": the data set is damaged, prepare it again" : "");
  return error;
}

Result<Json> read_description(const fs::path& directory) {
  const fs::path path = directory / kDescriptionFile;
  std::error_code error;
  if (!fs::exists(path, error)) {
    if (error)
      return fail(ErrorCode::kIo, fmt::format("{}: {}", directory.string(), error.message()));
    return fail(ErrorCode::kNotFound,
                fmt::format("{} is no data set (it has no {}): make one with `rapport data "
                            "prepare … --output {}`",
                            directory.string(), kDescriptionFile, directory.string()));
  }
  TRY(const std::string text, base::read_file(path));
  auto json = base::parse_json(text, kDescriptionFile, {.max_bytes = 64u << 20});
  if (!json) return fail(in_file(std::move(json).error(), path));
  if (auto checked = check_format(*json); !checked)
    return fail(in_file(std::move(checked).error(), path));
  return json;
}

}  // namespace

struct Dataset::Contents {
  std::string name;
  Json source;
  Columns columns;  // what the views below look into
  std::span<const std::int64_t> offsets;
  std::span<const ItemIndex> sequence;
  std::span<const std::int64_t> times;
  std::span<const float> weights;
  Catalogue catalogue;
  People people;
  KnowledgeGraph graph;
  std::string catalogue_checksum, checksum;

  /// The user's part of an array of [interactions].
  template <typename T>
  std::span<const T> of_user(std::span<const T> all, UserIndex user) const {
    assert(user >= 0 && static_cast<std::size_t>(user) + 1 < offsets.size());
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user)]);
    const auto end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user) + 1]);
    return all.subspan(begin, end - begin);
  }
};

Dataset::Dataset(std::shared_ptr<const Contents> contents) : contents_(std::move(contents)) {}
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;
Dataset::~Dataset() = default;

Result<Dataset> Dataset::create(DatasetParts parts) {
  if (!base::is_utf8(parts.name)) return invalid("the name of the data set is not UTF-8");
  if (!parts.source.is_object()) return invalid("the source of the data set is no JSON object");
  ColumnsBuilder builder;
  builder.add<std::int64_t>("interactions.offsets", parts.offsets);
  builder.add<ItemIndex>("interactions.items", parts.sequence);
  builder.add<std::int64_t>("interactions.times", parts.times);
  builder.add<float>("weights", parts.weights);
  parts.people.write(builder);
  parts.catalogue.write(builder);
  parts.graph.write(builder);
  return read(std::move(parts.name), std::move(parts.source), builder.build());
}

Result<Dataset> Dataset::read(std::string name, Json source, Columns columns) {
  auto contents = std::make_shared<Contents>();
  contents->name = std::move(name);
  contents->source = std::move(source);
  TRY(contents->offsets, columns.numbers<std::int64_t>("interactions.offsets"));
  TRY(contents->sequence, columns.numbers<ItemIndex>("interactions.items"));
  TRY(contents->times, columns.numbers<std::int64_t>("interactions.times"));
  TRY(contents->weights, columns.numbers<float>("weights"));
  TRY(contents->people, People::read(columns));
  TRY(contents->catalogue, Catalogue::read(columns));
  TRY(contents->graph, KnowledgeGraph::read(columns, contents->catalogue.size()));
  const std::size_t interactions = contents->sequence.size();
  TRY_VOID(check_offsets(contents->offsets, interactions));
  TRY_VOID(check_sequence(contents->sequence, contents->catalogue.size()));
  TRY_VOID(check_times(contents->times, contents->offsets, interactions));
  TRY_VOID(check_weights(contents->weights, contents->offsets.size() - 1));
  if (contents->people.size() + 1 != static_cast<std::int64_t>(contents->offsets.size())) {
    return invalid(fmt::format("{} people for {} users: each user needs an id",
                               contents->people.size(), contents->offsets.size() - 1));
  }
  contents->catalogue_checksum = columns.checksum("items.id.");
  contents->checksum = seal(contents->name, contents->source, columns);
  contents->columns = std::move(columns);
  return Dataset(std::move(contents));
}

Result<Dataset> Dataset::open(const fs::path& directory) {
  TRY(const Json description, read_description(directory));
  const fs::path columns_path = directory / kColumnsFile;
  TRY(auto file, MappedFile::open(columns_path));
  const std::string_view bytes = file->bytes();
  auto columns =
      Columns::parse(description.value("columns", Json::array()), bytes, std::move(file));
  if (!columns) return fail(in_file(std::move(columns).error(), columns_path));
  const auto in_description = [&](Error error) {
    return fail(in_file(std::move(error), directory / kDescriptionFile));
  };
  auto name = member<std::string>(description, "name", &Json::is_string);
  if (!name) return in_description(std::move(name).error());
  auto source = member<Json>(description, "source", &Json::is_object);
  if (!source) return in_description(std::move(source).error());
  auto dataset = read(*std::move(name), *std::move(source), *std::move(columns));
  if (!dataset) return fail(in_file(std::move(dataset).error(), columns_path));
  const auto checksum = member<std::string>(description, "checksum", &Json::is_string);
  if (!checksum) return in_description(checksum.error());
  if (*checksum != dataset->checksum())
    return in_description({ErrorCode::kCorrupt, "it does not have its checksum"});
  return dataset;
}

Result<void> Dataset::save(const fs::path& directory) const {
  std::error_code error;
  const bool replaces = fs::exists(fs::symlink_status(directory, error));
  if (replaces && !fs::exists(directory / kDescriptionFile, error) &&
      !(fs::is_directory(directory, error) && fs::is_empty(directory, error))) {
    return fail(ErrorCode::kConflict,
                fmt::format("{} exists and is no data set: remove it or name another folder",
                            directory.string()));
  }
  const Json description = {{"format", kFormat},
                            {"version", kVersion},
                            {"name", name()},
                            {"users", users()},
                            {"items", items()},
                            {"interactions", interactions()},
                            {"source", source()},
                            {"checksum", checksum()},
                            {"catalogue_checksum", catalogue_checksum()},
                            {"columns_file", kColumnsFile},
                            {"byte_order", "little"},
                            {"columns", contents_->columns.to_json()}};
  return base::write_directory_atomically(directory, [&](const fs::path& folder) -> Result<void> {
    TRY_VOID(base::write_file_atomically(folder / kColumnsFile, contents_->columns.bytes()));
    return base::write_file_atomically(folder / kDescriptionFile, description.dump(2) + "\n");
  });
}

const std::string& Dataset::name() const {
  return contents_->name;
}

const Json& Dataset::source() const {
  return contents_->source;
}

std::int64_t Dataset::users() const {
  return static_cast<std::int64_t>(contents_->offsets.size()) - 1;
}

std::int64_t Dataset::items() const {
  return contents_->catalogue.size();
}

std::int64_t Dataset::interactions() const {
  return static_cast<std::int64_t>(contents_->sequence.size());
}

std::span<const ItemIndex> Dataset::history(UserIndex user) const {
  return contents_->of_user(contents_->sequence, user);
}

std::span<const std::int64_t> Dataset::times(UserIndex user) const {
  if (contents_->times.empty()) return {};
  return contents_->of_user(contents_->times, user);
}

float Dataset::weight(UserIndex user) const {
  assert(user >= 0 && user < users());
  return contents_->weights.empty() ? 1 : contents_->weights[static_cast<std::size_t>(user)];
}

const Catalogue& Dataset::catalogue() const {
  return contents_->catalogue;
}

const People& Dataset::people() const {
  return contents_->people;
}

const KnowledgeGraph& Dataset::graph() const {
  return contents_->graph;
}

const std::string& Dataset::catalogue_checksum() const {
  return contents_->catalogue_checksum;
}

const std::string& Dataset::checksum() const {
  return contents_->checksum;
}

}  // namespace rapport::data
