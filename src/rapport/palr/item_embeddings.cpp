#include "rapport/palr/item_embeddings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "rapport/base/files.h"
#include "rapport/base/text.h"
#include "rapport/palr/json_member.h"
#include "rapport/retrieval/model_directory.h"

namespace rapport::palr {
namespace {

constexpr const char* kKind = "item-embeddings";
constexpr const char* kTensor = "item_embeddings";
/// A token is a byte at least, and the least that encoders read is 512 tokens with their marks.
constexpr std::size_t kTextBytes = 500;
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

/// Of the rows that are not 0. `factor` is that of their covariance, shrunk.
struct Spread {
  std::vector<double> mean, factor;  // [d], [d × d]
};

Spread spread_of(const ItemEmbeddings& embeddings, std::int64_t items) {
  const auto d = static_cast<std::size_t>(embeddings.dimensions);
  Spread spread{std::vector<double>(d), std::vector<double>(d * d)};
  std::vector<data::ItemIndex> measured;
  const std::int64_t stride = (items + kMostMeasured - 1) / kMostMeasured;
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
      for (std::size_t j = 0; j <= i; ++j) spread.factor[i * d + j] += away[i] * away[j] / count;
  }
  double trace = 0;
  for (std::size_t i = 0; i < d; ++i) trace += spread.factor[i * d + i];
  for (double& each : spread.factor) each *= 1 - kShrinkage;
  // Where all items read the same there is no spread, and any ball will do.
  const double ball = trace > 0 ? kShrinkage * trace / static_cast<double>(d) : 1;
  for (std::size_t i = 0; i < d; ++i) spread.factor[i * d + i] += ball;
  cholesky(spread.factor, d);
  return spread;
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
                                   const retrieval::WorkStep& step) {
  ItemEmbeddings made{.embedder = embedder.id(), .dimensions = embedder.dimensions(), .values = {}};
  const auto d = static_cast<std::size_t>(made.dimensions);
  const std::int64_t items = dataset.items();
  made.values.resize(static_cast<std::size_t>(items) * d);
  std::vector<std::string> texts;
  std::vector<std::size_t> whose;
  const auto flush = [&]() -> Result<void> {
    if (texts.empty()) return {};
    TRY(const language::EmbeddingMatrix vectors, embedder.embed(texts));
    for (std::size_t i = 0; i < whose.size(); ++i)
      std::copy_n(&vectors.values[i * d], d, &made.values[whose[i] * d]);
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

Result<void> save_item_embeddings(const ItemEmbeddings& embeddings, const data::Dataset& dataset,
                                  const std::filesystem::path& directory) {
  TRY_VOID(retrieval::check_output(directory));
  return base::write_directory_atomically(
      directory, [&](const std::filesystem::path& folder) -> Result<void> {
        base::SafetensorsWriter writer;
        add_item_embeddings(embeddings, writer);
        return retrieval::write_model_files(
            folder, dataset, {{"kind", kKind}, {"options", {{"embedder", embeddings.embedder}}}},
            writer);
      });
}

Result<ItemEmbeddings> load_item_embeddings(const std::filesystem::path& directory,
                                            const data::Dataset& dataset) {
  TRY(const Json description, retrieval::read_model_description(directory));
  if (description["kind"] != kKind)
    return fail(ErrorCode::kUnsupported,
                fmt::format("{} is a model of the kind {} and holds no item embeddings: name what "
                            "rapport palr embed made",
                            directory.string(), description["kind"].get<std::string>()));
  TRY(const base::Safetensors file, retrieval::open_model_weights(directory, description, dataset));
  return read_item_embeddings(file, text_member(description["options"], "embedder"),
                              dataset.items());
}

void add_item_embeddings(const ItemEmbeddings& embeddings, base::SafetensorsWriter& writer) {
  const auto items = static_cast<std::int64_t>(embeddings.values.size()) / embeddings.dimensions;
  writer.add(kTensor, {items, embeddings.dimensions}, embeddings.values);
}

Result<ItemEmbeddings> read_item_embeddings(const base::Safetensors& file, std::string embedder,
                                            std::int64_t items) {
  const auto found = file.tensors().find(kTensor);
  if (found == file.tensors().end() || found->second.shape.size() != 2 ||
      found->second.shape[1] < 1)
    return fail(ErrorCode::kCorrupt, "it has no vectors of the items");
  ItemEmbeddings read{std::move(embedder), found->second.shape[1], {}};
  TRY(read.values, file.read_floats(kTensor, {items, read.dimensions}));
  if (!std::ranges::all_of(read.values, [](float each) { return std::isfinite(each); }))
    return fail(ErrorCode::kCorrupt, "its vectors have numbers that are none");
  return read;
}

}  // namespace rapport::palr
