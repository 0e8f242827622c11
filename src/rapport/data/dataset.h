// A prepared data set: who interacted with what, in which order, and what is known of both.
//
//   TRY(const Dataset dataset, Dataset::open("datasets/ml-100k"));
//   for (const ItemIndex item : dataset.history(user)) … dataset.catalogue().title(item) …
//
// Users and items are numbered from 0. The numbers say nothing: they follow a hash of the source's
// own id, not the source's order, because order of first appearance leaks which item comes next
// (a stable sort or a tie broken by such a number would find the held-out item).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/base/result.h"
#include "rapport/data/catalogue.h"
#include "rapport/data/indexes.h"
#include "rapport/data/knowledge_graph.h"
#include "rapport/data/people.h"

namespace rapport::data {

class Columns;

/// All that a data set is made of, before it is checked. Sequences are chronological.
struct DatasetParts {
  std::string name;
  Json source = Json::object();       // where it came from and how it was prepared; kept as it is
  std::vector<std::int64_t> offsets;  // [users + 1] into `sequence` and `times`
  std::vector<ItemIndex> sequence;    // [interactions]
  std::vector<std::int64_t> times;    // [interactions] seconds since 1970, or empty: not known
  std::vector<float> weights;         // [users] of a stratified sample, or empty: all 1
  Catalogue catalogue;
  People people;
  KnowledgeGraph graph;
};

/// Immutable; thread-safe. An opened one is memory-mapped: opening costs a checksum, not a copy.
class Dataset {
 public:
  /// `people` names every user, `catalogue` every item; there is at least one of each. Errors:
  /// kInvalidArgument naming what does not fit together (an item number beyond the catalogue,
  /// offsets that fall, times that go back within a history, …).
  static Result<Dataset> create(DatasetParts parts);
  /// Errors: kNotFound, kCorrupt (a checksum, a size, a number out of range), kUnsupported (written
  /// by a newer Rapport); each names the file.
  static Result<Dataset> open(const std::filesystem::path& directory);
  /// Written beside `directory` and renamed: whole or not at all; a data set that is there is
  /// replaced. Errors: kConflict when something else is there (an empty folder is nothing); kIo.
  Result<void> save(const std::filesystem::path& directory) const;

  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;
  ~Dataset();

  const std::string& name() const;
  const Json& source() const;
  std::int64_t users() const;
  std::int64_t items() const;
  std::int64_t interactions() const;

  /// All of a user's items, oldest first.
  std::span<const ItemIndex> history(UserIndex user) const;
  /// The times of the same; empty when the source has none.
  std::span<const std::int64_t> times(UserIndex user) const;
  /// How many users of the whole population this one stands for; 1 unless the set is a sample.
  float weight(UserIndex user) const;

  const Catalogue& catalogue() const;
  const People& people() const;
  const KnowledgeGraph& graph() const;

  /// Of the items' ids in order (a model fits the catalogue it was trained on), and of everything.
  const std::string& catalogue_checksum() const;
  const std::string& checksum() const;

 private:
  struct Contents;
  explicit Dataset(std::shared_ptr<const Contents> contents);
  static Result<Dataset> read(std::string name, Json source, Columns columns);

  std::shared_ptr<const Contents> contents_;
};

}  // namespace rapport::data
