#include "rapport/retrieval/retriever.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "rapport/evaluation/top_k.h"

namespace rapport::retrieval {

namespace {

Result<void> check_history(const Query& query, std::int64_t items) {
  for (const data::ItemIndex item : query.history) {
    if (item < 0 || item >= items)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("item {} is not in the catalogue of {}", item, items), "history");
  }
  return {};
}

}  // namespace

Result<void> Retriever::index_items(std::int64_t threads, std::int64_t from) {
  if (items_ < from || is_indexed()) return {};
  return do_index_items(threads);
}

Result<void> Retriever::score(std::span<const Query> queries, std::span<float> scores) const {
  if (scores.size() != queries.size() * static_cast<std::size_t>(items_))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} scores do not hold {} queries × {} items", scores.size(),
                            queries.size(), items_),
                "scores");
  for (const Query& query : queries) TRY_VOID(check_history(query, items_));
  return do_score(queries, scores);
}

Result<std::vector<float>> read_weights(const base::Safetensors& file, const std::string& name,
                                        const std::vector<std::int64_t>& shape) {
  TRY(std::vector<float> weights, file.read_floats(name, shape));
  if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); }))
    return fail(ErrorCode::kCorrupt, fmt::format("{} holds a number that is none", name));
  return weights;
}

std::vector<data::ItemIndex> distinct_items(std::span<const data::ItemIndex> history) {
  std::vector<data::ItemIndex> items(history.begin(), history.end());
  std::ranges::sort(items);
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return items;
}

namespace {

std::vector<ScoredItem> best_of(std::span<float> scores, std::int64_t k,
                                std::span<const data::ItemIndex> excluded) {
  for (const data::ItemIndex item : excluded) {
    if (item >= 0 && static_cast<std::size_t>(item) < scores.size())
      scores[static_cast<std::size_t>(item)] = -std::numeric_limits<float>::infinity();
  }
  std::vector<data::ItemIndex> best;
  evaluation::top_k(scores, k, best);
  std::vector<ScoredItem> found;
  found.reserve(best.size());
  for (const data::ItemIndex item : best)
    found.push_back({item, scores[static_cast<std::size_t>(item)]});
  return found;
}

}  // namespace

Result<std::vector<ScoredItem>> top_items(const Retriever& model, const Query& query,
                                          std::int64_t k,
                                          std::span<const data::ItemIndex> excluded) {
  if (model.is_indexed()) {
    TRY_VOID(check_history(query, model.items()));
    std::vector<ScoredItem> found;
    model.do_search(query, k + static_cast<std::int64_t>(excluded.size()), found);
    std::erase_if(found, [&](const ScoredItem& scored) {
      return std::ranges::find(excluded, scored.item) != excluded.end();
    });
    if (found.size() > static_cast<std::size_t>(k)) found.resize(static_cast<std::size_t>(k));
    return found;
  }
  std::vector<float> scores(static_cast<std::size_t>(model.items()));
  TRY_VOID(model.score({&query, 1}, scores));
  return best_of(scores, k, excluded);
}

Result<std::vector<std::vector<ScoredItem>>> top_items(const Retriever& model,
                                                       std::span<const Query> queries,
                                                       std::int64_t k) {
  const auto items = static_cast<std::size_t>(model.items());
  std::vector<float> scores(queries.size() * items);
  TRY_VOID(model.score(queries, scores));
  std::vector<std::vector<ScoredItem>> found;
  found.reserve(queries.size());
  for (std::size_t i = 0; i < queries.size(); ++i)
    found.push_back(best_of(std::span(scores).subspan(i * items, items), k, queries[i].history));
  return found;
}

}  // namespace rapport::retrieval
