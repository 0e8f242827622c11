// What models that are one matrix of items by items have in common: each item of the history adds
// its row to the scores, older ones with less weight. Inference needs no libtorch.
//
//   class Ease final : public LinearModel { … };                     // ease.h
#pragma once

#include <cstdint>

#include "rapport/retrieval/retriever.h"
#include "rapport/retrieval/sparse_matrix.h"

namespace rapport::retrieval {

/// How a history is read.
struct LinearReading {
  double decay = 1;          // (0, 1]: the newest item weighs 1, the one before it `decay`, …
  std::int64_t history = 0;  // newest items that are read; 0: all

  Json to_json(std::int64_t items) const;
};

class LinearModel : public Retriever {
 public:
  const SparseMatrix& weights() const { return weights_; }
  const LinearReading& reading() const { return reading_; }

 protected:
  /// weights [items × items]: row i is what having taken item i says of each item.
  LinearModel(SparseMatrix weights, const LinearReading& reading);

  struct Parts {
    SparseMatrix weights;
    LinearReading reading;
  };
  /// Of a model directory. Errors: kCorrupt.
  static Result<Parts> read(const Json& options, const base::Safetensors& file);

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const final;
  Json do_options() const final { return reading_.to_json(items()); }
  void do_save(base::SafetensorsWriter& writer) const final { weights_.save(writer, "weights"); }

  SparseMatrix weights_;
  LinearReading reading_;
};

}  // namespace rapport::retrieval
