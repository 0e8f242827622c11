#include "rapport/retrieval/text_features.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "rapport/base/text.h"

namespace rapport::retrieval {
namespace {

/// Folded text never has a control character of ours in front, so kinds cannot collide.
constexpr char kWord = '\1', kPair = '\2', kBrand = '\3', kCategory = '\4';

std::string token(char kind, std::string_view text) {
  return std::string(1, kind) + std::string(text);
}

/// Scales a row to length 1.
void normalise(std::span<float> row) {
  double sum = 0;
  for (const float value : row) sum += static_cast<double>(value) * static_cast<double>(value);
  if (sum == 0) return;
  const double scale = 1 / std::sqrt(sum);
  for (float& value : row) value = static_cast<float>(static_cast<double>(value) * scale);
}

}  // namespace

bool has_text(const data::Catalogue& catalogue) {
  for (data::ItemIndex item = 0; item < catalogue.size(); ++item) {
    if (!catalogue.title(item).empty()) return true;
    const data::Item whole = catalogue.item(item);
    if (!whole.brand.empty() || !whole.categories.empty()) return true;
  }
  return false;
}

std::vector<std::string> text_tokens(const data::Item& item) {
  std::vector<std::string> tokens;
  const std::string title = base::fold_case(item.title);
  std::string_view before;
  for (const std::string_view word : base::words(title)) {
    tokens.push_back(token(kWord, word));
    if (!before.empty()) tokens.push_back(token(kPair, before) + ' ' + std::string(word));
    before = word;
  }
  if (const std::string brand = base::fold_case(base::trim(item.brand)); !brand.empty())
    tokens.push_back(token(kBrand, brand));
  for (const std::string& category : item.categories) {
    if (const std::string folded = base::fold_case(base::trim(category)); !folded.empty())
      tokens.push_back(token(kCategory, folded));
  }
  std::ranges::sort(tokens);
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  return tokens;
}

Result<SparseMatrix> text_features(const data::Catalogue& catalogue,
                                   const TextFeatureOptions& options, TrainingThreads& threads,
                                   const WorkStep& step) {
  const std::int64_t items = catalogue.size();
  constexpr std::int64_t kItemsAtOnce = 4096;
  std::vector<std::vector<std::string>> tokens(static_cast<std::size_t>(items));
  TRY_VOID(threads.over_in_rounds(
      items, kItemsAtOnce, step_within(step, 0, 0.5), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t item = begin; item < end; ++item)
          tokens[static_cast<std::size_t>(item)] =
              text_tokens(catalogue.item(static_cast<data::ItemIndex>(item)));
      }));
  const auto item_by_item = [&](double begin, double end, const auto& work) -> Result<void> {
    const WorkStep within = step_within(step, begin, end);
    for (std::size_t item = 0; item < tokens.size(); ++item) {
      if (within && item % kItemsAtOnce == 0)
        TRY_VOID(within(static_cast<double>(item) / static_cast<double>(tokens.size())));
      work(tokens[item]);
    }
    return {};
  };
  std::unordered_map<std::string_view, std::int64_t> df;  // views into `tokens`
  TRY_VOID(item_by_item(0.5, 0.75, [&](const std::vector<std::string>& own) {
    for (const std::string& each : own) ++df[each];
  }));
  std::vector<std::pair<std::string_view, std::int64_t>> kept;
  for (const auto& [text, count] : df) {
    // What every item has weighs nothing.
    if (count >= options.min_df && count <= options.max_df && count < items)
      kept.emplace_back(text, count);
  }
  std::ranges::sort(kept);
  std::unordered_map<std::string_view, std::pair<std::int32_t, float>> columns;
  for (const auto& [text, count] : kept) {
    const double weight = std::log(static_cast<double>(items) / static_cast<double>(count));
    columns[text] = {static_cast<std::int32_t>(columns.size()), static_cast<float>(weight)};
  }

  SparseMatrix features{.columns = static_cast<std::int64_t>(kept.size())};
  TRY_VOID(item_by_item(0.75, 1, [&](const std::vector<std::string>& own) {
    const auto begin = features.values.size();
    for (const std::string& each : own) {
      const auto found = columns.find(each);
      if (found == columns.end()) continue;
      features.indices.push_back(found->second.first);
      features.values.push_back(found->second.second);
    }
    normalise(std::span(features.values).subspan(begin));
    features.end_row();
  }));
  return features;
}

}  // namespace rapport::retrieval
