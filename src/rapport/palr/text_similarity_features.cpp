#include <algorithm>
#include <memory>
#include <vector>

#include "rapport/palr/feature_families.h"
#include "rapport/retrieval/text_features.h"

namespace rapport::palr {
namespace {

/// The products of one item's text with every candidate's.
class TextProducts {
 public:
  explicit TextProducts(const retrieval::SparseMatrix& text)
      : text_(text), weight_of_(static_cast<std::size_t>(text.columns)) {}

  void fill(data::ItemIndex item, std::span<const data::ItemIndex> candidates,
            std::vector<float>& products) {
    const auto tokens = text_.row_indices(item);
    const auto weights = text_.row_values(item);
    for (std::size_t t = 0; t < tokens.size(); ++t)
      weight_of_[static_cast<std::size_t>(tokens[t])] = weights[t];
    products.assign(candidates.size(), 0.0f);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const auto own = text_.row_indices(candidates[i]);
      const auto own_weights = text_.row_values(candidates[i]);
      for (std::size_t t = 0; t < own.size(); ++t)
        products[i] += own_weights[t] * weight_of_[static_cast<std::size_t>(own[t])];
    }
    for (const std::int32_t token : tokens) weight_of_[static_cast<std::size_t>(token)] = 0;
  }

 private:
  const retrieval::SparseMatrix& text_;
  std::vector<float> weight_of_;  // [tokens], 0 but for those of the item at hand
};

}  // namespace

Result<FeatureFamily> text_similarity_features(const data::Dataset& dataset,
                                               retrieval::TrainingThreads& threads) {
  FeatureFamily family;
  if (!retrieval::has_text(dataset.catalogue())) return family;
  TRY(retrieval::SparseMatrix features, retrieval::text_features(dataset.catalogue(), {}, threads));
  const auto text = std::make_shared<const retrieval::SparseMatrix>(std::move(features));
  family.features = {
      {"text_newest", "how alike its title, brand and categories and the newest item's read",
       "how alike it and {newest} read"},
      {"text_second", "the same beside the second newest item",
       "how alike it and the item before read"},
      {"text_third", "the same beside the third newest item",
       "how alike it and the third newest item read"},
      {"text_history", "the same beside each item of the history, decayed mean",
       "how alike it and the history read"},
      {"text_most", "the same beside the item of the history that reads most alike",
       "how alike it and one item of the history read"}};
  family.compute = [text](const FeatureInput& input, std::span<float> values) -> Result<void> {
    constexpr std::size_t kNewest = 3, kWidth = kNewest + 2;
    const std::size_t read = std::min(input.history.size(), kHistoryRead);
    TextProducts products(*text);
    std::vector<float> alike;
    float weight = 1, weights = 0;
    for (std::size_t a = 0; a < read; ++a, weight *= kHistoryDecay) {
      products.fill(input.history[input.history.size() - 1 - a], input.pool.items, alike);
      weights += weight;
      for (std::size_t i = 0; i < alike.size(); ++i) {
        const auto row = values.subspan(i * kWidth, kWidth);
        if (a < kNewest) row[a] = alike[i];
        row[kNewest] += weight * alike[i];
        row[kNewest + 1] = std::max(row[kNewest + 1], alike[i]);
      }
    }
    if (weights == 0) return {};
    for (std::size_t i = 0; i < input.pool.size(); ++i) values[i * kWidth + kNewest] /= weights;
    return {};
  };
  return family;
}

}  // namespace rapport::palr
