#include "rapport/retrieval/sequence_model.h"

#include <algorithm>
#include <cassert>

namespace rapport::retrieval {
namespace {

/// Positions encoded at a time: their activations, some 20 floats a position and dimension, then
/// stay in the second-level cache.
constexpr std::int64_t kPositionsAtOnce = 2048;

constexpr std::int64_t kTuningQueries = 256;

}  // namespace

void PackedSequences::add(std::span<const data::ItemIndex> sequence, std::int64_t max_length) {
  const auto length = std::min(static_cast<std::int64_t>(sequence.size()), max_length);
  const auto newest = sequence.last(static_cast<std::size_t>(length));
  items.insert(items.end(), newest.begin(), newest.end());
  for (std::int64_t i = 0; i < length; ++i)
    positions.push_back(static_cast<std::int32_t>(max_length - length + i));
  offsets.push_back(offsets.back() + length);
}

SequenceModel::SequenceModel(std::int64_t items, std::int64_t dimension, std::int64_t max_length,
                             WeightLayout layout, std::int64_t item_embedding,
                             std::vector<float> weights, std::optional<TextScores> text)
    : Retriever(items),
      max_length_(max_length),
      item_embedding_(item_embedding),
      layout_(std::move(layout)),
      weights_(std::move(weights)),
      text_(std::move(text)),
      panels_(items, dimension) {
  assert(weights_.size() == static_cast<std::size_t>(layout_.total));
  panels_.fill(at(item_embedding), 0, panels_.count());
}

void SequenceModel::do_save(base::SafetensorsWriter& writer) const {
  layout_.save(weights_, writer);
  if (text_) text_->save(writer);
}

Json SequenceModel::do_options() const {
  Json options = do_shape();
  if (text_) options["text"] = text_->to_json();
  return options;
}

Result<void> SequenceModel::do_score(std::span<const Query> queries,
                                     std::span<float> scores) const {
  if (queries.empty()) return {};
  std::vector<float> hidden(queries.size() * static_cast<std::size_t>(dimension()));
  encode(queries, hidden);
  panels_.score(hidden.data(), static_cast<std::int64_t>(queries.size()), scores.data());
  if (text_) text_->add(queries, hidden.data(), scores);
  return {};
}

Result<void> SequenceModel::do_index_items(std::int64_t threads) {
  if (text_) return {};  // the scores are more than products
  // What it is tuned with: histories of one to eight items, spread over the catalogue.
  constexpr std::int64_t kLongest = 8;
  std::vector<data::ItemIndex> items_read;
  for (std::int64_t i = 0; i < kTuningQueries * kLongest; ++i)
    items_read.push_back(static_cast<data::ItemIndex>(i * items() / (kTuningQueries * kLongest)));
  std::vector<Query> queries;
  for (std::int64_t i = 0; i < kTuningQueries; ++i)
    queries.push_back({.history = std::span(items_read)
                                      .subspan(static_cast<std::size_t>(i * kLongest),
                                               static_cast<std::size_t>(1 + i % kLongest))});
  std::vector<float> hidden(queries.size() * static_cast<std::size_t>(dimension()));
  encode(queries, hidden);
  TRY(index_,
      build_item_index({.items = items(), .width = dimension(), .vectors = at(item_embedding_)},
                       hidden, {.threads = threads}));
  return {};
}

void SequenceModel::do_search(const Query& query, std::int64_t k,
                              std::vector<ScoredItem>& best) const {
  std::vector<float> hidden(static_cast<std::size_t>(dimension()));
  encode({&query, 1}, hidden);
  index_->search(hidden.data(), k, best);
}

void SequenceModel::encode(std::span<const Query> queries, std::span<float> hidden) const {
  const auto d = static_cast<std::size_t>(dimension());
  assert(hidden.size() == queries.size() * d);
  std::ranges::fill(hidden, 0.0f);
  for (std::size_t begin = 0; begin < queries.size();) {
    PackedSequences batch;
    std::size_t end = begin;
    for (std::int64_t rows = 0; end < queries.size() && rows < kPositionsAtOnce; ++end) {
      batch.add(queries[end].history, max_length_);
      const std::size_t place = batch.offsets.size() - 1;
      rows += do_rows(batch.offsets[place] - batch.offsets[place - 1]);
    }
    if (batch.size() > 0) do_encode(batch, hidden.subspan(begin * d, (end - begin) * d));
    for (std::size_t i = begin; i < end; ++i) {
      if (queries[i].history.empty()) std::ranges::fill(hidden.subspan(i * d, d), 0.0f);
    }
    begin = end;
  }
}

}  // namespace rapport::retrieval
