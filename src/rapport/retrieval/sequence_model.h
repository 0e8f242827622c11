// What models of sequences have in common: a history becomes one vector, and its products with the
// item embedding are the scores; where text is read, it adds to them (text_scores.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rapport/retrieval/item_index.h"
#include "rapport/retrieval/item_panels.h"
#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/text_scores.h"
#include "rapport/retrieval/weight_layout.h"

namespace rapport::retrieval {

/// A batch of sequences laid end to end, without padding.
struct PackedSequences {
  std::vector<std::int32_t> items;  // [positions]
  /// [positions] places in a sequence padded on the left to max_length: the newest is at
  /// max_length - 1.
  std::vector<std::int32_t> positions;
  std::vector<std::int64_t> offsets = {0};  // [sequences + 1]

  /// The newest `max_length` of `sequence`; none of an empty one, which then has no positions.
  void add(std::span<const data::ItemIndex> sequence, std::int64_t max_length);
  std::int64_t sequences() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t size() const { return offsets.back(); }
};

class SequenceModel : public Retriever {
 public:
  std::int64_t dimension() const { return panels_.width(); }
  /// hidden [queries × dimension]. A query without history gets zeros, hence equal scores.
  void encode(std::span<const Query> queries, std::span<float> hidden) const;
  /// Memory of the index; 0 without one.
  std::int64_t index_bytes() const { return index_ ? index_->bytes() : 0; }

 protected:
  /// `weights` has layout.total floats; the item embedding [items × dimension] begins at
  /// `item_embedding`. Reads the newest `max_length` items of a history.
  SequenceModel(std::int64_t items, std::int64_t dimension, std::int64_t max_length,
                WeightLayout layout, std::int64_t item_embedding, std::vector<float> weights,
                std::optional<TextScores> text = std::nullopt);

  const float* at(std::int64_t offset) const { return weights_.data() + offset; }

 private:
  /// hidden [sequences × dimension], zero when called; what it leaves of an empty sequence is
  /// overwritten with zeros.
  virtual void do_encode(const PackedSequences& batch, std::span<float> hidden) const = 0;
  /// Rows that do_encode makes of a sequence of `length` items: its own, padding and masks.
  virtual std::int64_t do_rows(std::int64_t length) const { return length; }
  virtual Json do_shape() const = 0;
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const final;
  Result<void> do_index_items(std::int64_t threads) final;
  bool do_is_indexed() const final { return index_ != nullptr; }
  std::span<const float> do_item_vectors() const final {
    return {at(item_embedding_), static_cast<std::size_t>(items() * dimension())};
  }
  void do_search(const Query& query, std::int64_t k, std::vector<ScoredItem>& best) const final;
  Json do_options() const final;
  void do_save(base::SafetensorsWriter& writer) const final;

  std::int64_t max_length_;
  std::int64_t item_embedding_;
  WeightLayout layout_;
  std::vector<float> weights_;
  std::optional<TextScores> text_;
  ItemPanels panels_;  // of the item embedding, which `weights_` holds too, for looking items up
  std::unique_ptr<ItemIndex> index_;
};

}  // namespace rapport::retrieval
