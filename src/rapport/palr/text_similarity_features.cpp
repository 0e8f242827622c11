#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "rapport/palr/feature_families.h"
#include "rapport/retrieval/text_features.h"

namespace rapport::palr {
namespace {

constexpr std::size_t kNewest = 3, kWidth = kNewest + 2;

/// The names of a family whose features `fill_similarities` makes. `what` is compared, as in "how
/// alike its title and the newest item's are".
std::vector<Feature> similarity_features(std::span<const std::string_view> names,
                                         std::string_view what, std::string_view verb) {
  return {
      {std::string(names[0]), fmt::format("how alike its {} and the newest item's {}", what, verb),
       fmt::format("how alike it and {{newest}} {}", verb)},
      {std::string(names[1]), "the same beside the second newest item",
       fmt::format("how alike it and the item before {}", verb)},
      {std::string(names[2]), "the same beside the third newest item",
       fmt::format("how alike it and the third newest item {}", verb)},
      {std::string(names[3]), "the same beside each item of the history, decayed mean",
       fmt::format("how alike it and the history {}", verb)},
      {std::string(names[4]), "the same beside the item of the history that is most alike",
       fmt::format("how alike it and one item of the history {}", verb)}};
}

/// `alike(item, products)` fills [candidates] the products of one item with each of them.
template <typename Alike>
void fill_similarities(const FeatureInput& input, std::span<float> values, Alike&& alike) {
  const std::size_t read = std::min(input.history.size(), kHistoryRead);
  std::vector<float> products(input.pool.size());
  float weight = 1, weights = 0;
  for (std::size_t a = 0; a < read; ++a, weight *= kHistoryDecay) {
    alike(input.history[input.history.size() - 1 - a], std::span<float>(products));
    weights += weight;
    for (std::size_t i = 0; i < products.size(); ++i) {
      const auto row = values.subspan(i * kWidth, kWidth);
      if (a < kNewest) row[a] = products[i];
      row[kNewest] += weight * products[i];
      row[kNewest + 1] = a == 0 ? products[i] : std::max(row[kNewest + 1], products[i]);
    }
  }
  if (weights == 0) return;
  for (std::size_t i = 0; i < input.pool.size(); ++i) values[i * kWidth + kNewest] /= weights;
}

/// The products of one item's text with every candidate's.
class TextProducts {
 public:
  explicit TextProducts(const retrieval::SparseMatrix& text)
      : text_(text), weight_of_(static_cast<std::size_t>(text.columns)) {}

  void fill(data::ItemIndex item, std::span<const data::ItemIndex> candidates,
            std::span<float> products) {
    const auto tokens = text_.row_indices(item);
    const auto weights = text_.row_values(item);
    for (std::size_t t = 0; t < tokens.size(); ++t)
      weight_of_[static_cast<std::size_t>(tokens[t])] = weights[t];
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto own = text_.row_indices(candidates[i]);
      const auto own_weights = text_.row_values(candidates[i]);
      products[i] = 0;
      for (std::size_t t = 0; t < own.size(); ++t)
        products[i] += own_weights[t] * weight_of_[static_cast<std::size_t>(own[t])];
    }
    for (const std::int32_t token : tokens) weight_of_[static_cast<std::size_t>(token)] = 0;
  }

 private:
  const retrieval::SparseMatrix& text_;
  std::vector<float> weight_of_;  // [tokens], 0 but for those of the item at hand
};

constexpr std::string_view kTextFeatures[] = {"text_newest", "text_second", "text_third",
                                              "text_history", "text_most"};

}  // namespace

Result<FeatureFamily> text_similarity_features(const data::Dataset& dataset,
                                               retrieval::TrainingThreads& threads) {
  FeatureFamily family;
  if (!retrieval::has_text(dataset.catalogue())) return family;
  TRY(retrieval::SparseMatrix features, retrieval::text_features(dataset.catalogue(), {}, threads));
  const auto text = std::make_shared<const retrieval::SparseMatrix>(std::move(features));
  family.features = similarity_features(kTextFeatures, "title, brand and categories", "read");
  family.compute = [text](const FeatureInput& input, std::span<float> values) -> Result<void> {
    TextProducts of(*text);
    fill_similarities(input, values, [&](data::ItemIndex item, std::span<float> products) {
      of.fill(item, input.pool.items, products);
    });
    return {};
  };
  return family;
}

FeatureFamily embedding_features(std::shared_ptr<const retrieval::ItemEmbeddings> vectors) {
  FeatureFamily family;
  family.features =
      similarity_features(kEmbeddingFeatures, "text's embedding", "are in what they mean");
  family.compute = [vectors = std::move(vectors)](const FeatureInput& input,
                                                  std::span<float> values) -> Result<void> {
    fill_similarities(input, values, [&](data::ItemIndex item, std::span<float> products) {
      const auto one = vectors->row(item);
      for (std::size_t i = 0; i < products.size(); ++i) {
        const auto other = vectors->row(input.pool.items[i]);
        products[i] = std::transform_reduce(one.begin(), one.end(), other.begin(), 0.0f);
      }
    });
    return {};
  };
  return family;
}

}  // namespace rapport::palr
