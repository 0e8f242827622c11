#include "rapport/retrieval/item_embeddings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "rapport/base/digest.h"
#include "rapport/base/files.h"
#include "rapport/base/json_member.h"
#include "rapport/base/text.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/text_features.h"

namespace rapport::retrieval {
namespace {

constexpr const char* kKind = "item-embeddings";
constexpr const char* kTensor = "item_embeddings";
constexpr std::size_t kTextBytes = 2000;
constexpr std::size_t kTextsAtOnce = 64;
/// Items that the covariance is of: more change little, and cost d² each.
constexpr std::int64_t kMostMeasured = 20'000;
/// Share of the ball in the covariance: without it, directions of mere noise count as much as those
/// that say something. Chosen on validation items (docs/palr.md).
constexpr double kShrinkage = 0.4;

/// Lower triangle L with L Lᵀ = `matrix` [d × d], positive definite, in its place.
void cholesky(std::vector<double>& matrix, std::size_t d) {
  for (std::size_t j = 0; j < d; ++j) {
    double* const row_j = &matrix[j * d];
    row_j[j] = std::sqrt(row_j[j] - std::inner_product(row_j, row_j + j, row_j, 0.0));
    for (std::size_t i = j + 1; i < d; ++i) {
      double* const row_i = &matrix[i * d];
      row_i[j] = (row_i[j] - std::inner_product(row_i, row_i + j, row_j, 0.0)) / row_j[j];
    }
  }
}

bool is_empty(std::span<const float> row) {
  return std::ranges::all_of(row, [](float each) { return each == 0; });
}

/// Of the rows that are not 0. `factor` is that of their covariance, shrunk; empty where they are
/// all the same, but for rounding.
struct Spread {
  std::vector<double> mean, factor;  // [d], [d × d]
};

Spread spread_of(const ItemEmbeddings& embeddings, std::int64_t items) {
  const auto d = static_cast<std::size_t>(embeddings.dimensions);
  Spread spread{std::vector<double>(d), std::vector<double>(d * d)};
  std::vector<data::ItemIndex> measured;
  const std::int64_t stride =
      std::max<std::int64_t>(1, (items + kMostMeasured - 1) / kMostMeasured);
  for (std::int64_t item = 0; item < items; item += stride)
    if (!is_empty(embeddings.row(static_cast<data::ItemIndex>(item))))
      measured.push_back(static_cast<data::ItemIndex>(item));
  const double count = std::max<double>(1, static_cast<double>(measured.size()));
  for (const data::ItemIndex item : measured)
    for (std::size_t k = 0; k < d; ++k)
      spread.mean[k] += static_cast<double>(embeddings.row(item)[k]) / count;
  std::vector<double> away(d);
  for (const data::ItemIndex item : measured) {
    for (std::size_t k = 0; k < d; ++k)
      away[k] = static_cast<double>(embeddings.row(item)[k]) - spread.mean[k];
    for (std::size_t i = 0; i < d; ++i)
      for (std::size_t j = 0; j <= i; ++j) spread.factor[i * d + j] += away[i] * away[j];
  }
  double trace = 0;
  for (std::size_t i = 0; i < d; ++i) trace += spread.factor[i * d + i] / count;
  const double length =
      std::inner_product(spread.mean.begin(), spread.mean.end(), spread.mean.begin(), 0.0);
  if (!(trace > 1e-12 * length)) return {std::move(spread.mean), {}};
  for (double& each : spread.factor) each *= (1 - kShrinkage) / count;
  for (std::size_t i = 0; i < d; ++i)
    spread.factor[i * d + i] += kShrinkage * trace / static_cast<double>(d);
  cholesky(spread.factor, d);
  return spread;
}

/// Their vectors [texts × d], of each text as much as the embedder reads.
Result<std::vector<float>> embedded_as_far_as_read(language::TextEmbedder& embedder,
                                                   const std::vector<std::string>& texts) {
  auto together = embedder.embed(texts);
  if (together) return std::move(together->values);
  if (together.error().code != ErrorCode::kInvalidArgument) return fail(together.error());
  std::vector<float> values;
  for (std::string text : texts) {
    auto alone = embedder.embed({text});
    while (!alone && alone.error().code == ErrorCode::kInvalidArgument) {
      // Within a grapheme, if need be: one with hundreds of marks may be all that there is.
      text.resize(text.size() / 2);
      text.resize(text.size() - base::incomplete_utf8_tail(text));
      if (text.empty()) break;
      alone = embedder.embed({text});
    }
    if (!alone) return fail(alone.error());
    values.insert(values.end(), alone->values.begin(), alone->values.end());
  }
  return values;
}

/// Of all that is embedded: vectors are of no use beside other texts.
std::string digest_of_texts(const data::Dataset& dataset) {
  std::string digest;
  for (data::ItemIndex item = 0; item < dataset.items(); ++item)
    digest = base::digest(digest + embedded_text(dataset.catalogue().item(item)));
  return digest;
}

}  // namespace

std::span<const float> ItemEmbeddings::row(data::ItemIndex item) const {
  const auto d = static_cast<std::size_t>(dimensions);
  return std::span(values).subspan(static_cast<std::size_t>(item) * d, d);
}

std::string embedded_text(const data::Item& item) {
  std::vector<std::string> parts;
  for (const std::string& part :
       {item.title, item.brand, fmt::format("{}", fmt::join(item.categories, ", "))})
    if (!base::trim(part).empty()) parts.emplace_back(base::trim(part));
  return std::string(
      base::truncate(base::to_valid_utf8(fmt::format("{}", fmt::join(parts, ". "))), kTextBytes));
}

Result<ItemEmbeddings> embed_items(const data::Dataset& dataset, language::TextEmbedder& embedder,
                                   const WorkStep& step) {
  if (!has_text(dataset.catalogue()))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("no item of {} has a title, a brand or categories to embed: prepare it "
                            "with its items",
                            dataset.name()),
                "data");
  ItemEmbeddings made{.embedder = embedder.id(), .dimensions = embedder.dimensions(), .values = {}};
  if (made.dimensions > kMostDimensions)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} makes vectors of {} dimensions: {} at most are read", made.embedder,
                            made.dimensions, kMostDimensions),
                "embedder");
  const auto d = static_cast<std::size_t>(made.dimensions);
  const std::int64_t items = dataset.items();
  made.values.resize(static_cast<std::size_t>(items) * d);
  std::vector<std::string> texts;
  std::vector<std::size_t> whose;
  const auto flush = [&]() -> Result<void> {
    if (texts.empty()) return {};
    TRY(const std::vector<float> vectors, embedded_as_far_as_read(embedder, texts));
    for (std::size_t i = 0; i < whose.size(); ++i) {
      const auto vector = std::span(vectors).subspan(i * d, d);
      if (!std::ranges::all_of(vector, [](float each) { return std::isfinite(each); }))
        return fail(
            ErrorCode::kInternal,
            fmt::format("{} made numbers that are none of the item {}: use another embedder",
                        made.embedder,
                        dataset.catalogue().id(static_cast<data::ItemIndex>(whose[i]))));
      std::ranges::copy(vector, &made.values[whose[i] * d]);
    }
    texts.clear();
    whose.clear();
    return {};
  };
  for (std::int64_t item = 0; item < items; ++item) {
    std::string text = embedded_text(dataset.catalogue().item(static_cast<data::ItemIndex>(item)));
    if (!text.empty()) {
      texts.push_back(std::move(text));
      whose.push_back(static_cast<std::size_t>(item));
    }
    if (texts.size() < kTextsAtOnce && item + 1 < items) continue;
    TRY_VOID(flush());
    if (step) TRY_VOID(step(static_cast<double>(item + 1) / static_cast<double>(items)));
  }
  return made;
}

ItemEmbeddings whitened(const ItemEmbeddings& embeddings) {
  const auto d = static_cast<std::size_t>(embeddings.dimensions);
  const auto items = static_cast<std::int64_t>(embeddings.values.size() / d);
  const Spread spread = spread_of(embeddings, items);
  ItemEmbeddings white{embeddings.embedder, embeddings.dimensions,
                       std::vector<float>(embeddings.values.size())};
  if (spread.factor.empty()) return white;
  std::vector<double> solved(d);
  for (std::int64_t item = 0; item < items; ++item) {
    const auto row = embeddings.row(static_cast<data::ItemIndex>(item));
    if (is_empty(row)) continue;
    double squares = 0;
    for (std::size_t i = 0; i < d; ++i) {
      const double* const factors = &spread.factor[i * d];
      solved[i] = (static_cast<double>(row[i]) - spread.mean[i] -
                   std::inner_product(factors, factors + i, solved.begin(), 0.0)) /
                  factors[i];
      squares += solved[i] * solved[i];
    }
    if (!(squares > 0)) continue;
    for (std::size_t i = 0; i < d; ++i)
      white.values[static_cast<std::size_t>(item) * d + i] =
          static_cast<float>(solved[i] / std::sqrt(squares));
  }
  return white;
}

Result<void> check_embeddings_output(const std::filesystem::path& directory) {
  return check_output(directory, kKind, "folder of item embeddings");
}

Result<void> save_item_embeddings(const ItemEmbeddings& embeddings, const data::Dataset& dataset,
                                  const std::filesystem::path& directory) {
  TRY_VOID(check_embeddings_output(directory));
  return base::write_directory_atomically(
      directory, [&](const std::filesystem::path& folder) -> Result<void> {
        base::SafetensorsWriter writer;
        add_item_embeddings(embeddings, writer);
        return write_model_files(
            folder, dataset,
            {{"kind", kKind},
             {"options", {{"embedder", embeddings.embedder}, {"texts", digest_of_texts(dataset)}}}},
            writer);
      });
}

bool holds_item_embeddings(const std::filesystem::path& directory) {
  const auto description = read_model_description(directory);
  return description && (*description)["kind"] == kKind;
}

Result<ItemEmbeddings> load_item_embeddings(const std::filesystem::path& directory,
                                            const data::Dataset& dataset) {
  const auto refused = [&](ErrorCode code, std::string_view fault) {
    return fail(code,
                fmt::format("{} {}: make them with rapport palr embed", directory.string(), fault),
                "embeddings");
  };
  const auto description = read_model_description(directory);
  if (!description)
    return refused(description.error().code, description.error().code == ErrorCode::kNotFound
                                                 ? "holds no item embeddings"
                                                 : "holds no item embeddings that can be read");
  if ((*description)["kind"] != kKind)
    return refused(ErrorCode::kUnsupported,
                   fmt::format("is a model of the kind {} and holds no item embeddings",
                               (*description)["kind"].get<std::string>()));
  const auto file = open_model_weights(directory, *description, dataset);
  if (!file)
    return refused(file.error().code, file.error().code == ErrorCode::kConflict
                                          ? "has those of another catalogue"
                                          : "has vectors that are damaged");
  const Json& options = (*description)["options"];
  if (base::text_member(options, "texts") != digest_of_texts(dataset))
    return refused(ErrorCode::kConflict,
                   fmt::format("has those of other texts than {} has now", dataset.name()));
  auto read = read_item_embeddings(*file, base::text_member(options, "embedder"), dataset.items());
  if (!read) return refused(read.error().code, read.error().message);
  return *std::move(read);
}

void add_item_embeddings(const ItemEmbeddings& embeddings, base::SafetensorsWriter& writer) {
  const auto items = static_cast<std::int64_t>(embeddings.values.size()) / embeddings.dimensions;
  writer.add(kTensor, {items, embeddings.dimensions}, embeddings.values);
}

Result<ItemEmbeddings> read_item_embeddings(const base::Safetensors& file, std::string embedder,
                                            std::int64_t items) {
  const auto found = file.tensors().find(kTensor);
  if (found == file.tensors().end() || found->second.shape.size() != 2 ||
      found->second.shape[1] < 1 || found->second.shape[1] > kMostDimensions)
    return fail(ErrorCode::kCorrupt, "has no vectors of items");
  ItemEmbeddings read{std::move(embedder), found->second.shape[1], {}};
  TRY(read.values, read_weights(file, kTensor, {items, read.dimensions}));
  return read;
}

}  // namespace rapport::retrieval
