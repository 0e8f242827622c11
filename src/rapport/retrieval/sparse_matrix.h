// A matrix of which only what is not zero is kept, row by row: who took what, what an item's text
// has, what one item says of others.
//
//   SparseMatrix matrix{.columns = 3};
//   matrix.indices = {0, 2}; matrix.values = {1, 0.5f}; matrix.end_row();
//   matrix.transposed().rows();                                      // 3
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/result.h"
#include "rapport/base/safetensors.h"

namespace rapport::retrieval {

/// A column that a row names twice counts with the sum of both values.
struct SparseMatrix {
  std::int64_t columns = 0;
  std::vector<std::int64_t> offsets = {0};  // [rows + 1] into the two below
  std::vector<std::int32_t> indices = {};   // [entries] columns
  std::vector<float> values = {};           // [entries]

  std::int64_t rows() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::span<const std::int32_t> row_indices(std::int64_t row) const;
  std::span<const float> row_values(std::int64_t row) const;
  /// What was appended to indices and values since the last call is a row.
  void end_row() { offsets.push_back(static_cast<std::int64_t>(indices.size())); }
  /// Puts the rows of `other`, which has the same columns, behind its own.
  void append(const SparseMatrix& other);
  /// The entries of each row of the result are in the order of this one's rows.
  SparseMatrix transposed() const;

  /// As the tensors NAME.row_sizes, NAME.columns and NAME.values.
  void save(base::SafetensorsWriter& writer, const std::string& name) const;
  /// Errors: kCorrupt when an index is beyond `columns`, or they do not rise within a row, or a
  /// value is no number; those of reading a tensor.
  static Result<SparseMatrix> read(const base::Safetensors& file, const std::string& name,
                                   std::int64_t rows, std::int64_t columns);
};

/// Appends the `most` entries of `row` that are farthest from zero as a row of `matrix`, never
/// more. Of several that are as far, a hash of the column chooses: a choice by the number itself
/// would favour whom the data name first, which is what nothing may learn from. Zeros are never
/// kept.
void append_largest(std::span<const float> row, std::int64_t most, SparseMatrix& matrix);
/// The same of a row of which only `columns`, different and in any order, can be other than zero.
void append_largest(std::span<const float> row, std::span<const std::int32_t> columns,
                    std::int64_t most, SparseMatrix& matrix);

}  // namespace rapport::retrieval
