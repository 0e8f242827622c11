#include "rapport/retrieval/text_scores.h"

#include <algorithm>
#include <cassert>

#include "rapport/retrieval/linear.h"
#include "rapport/retrieval/sizes.h"

namespace rapport::retrieval {
namespace {

constexpr const char* kKernel = "text.kernel";

}  // namespace

TextGateWeights add_text_gate(WeightLayout& layout, std::int64_t dimension,
                              std::int64_t items_read) {
  return {.weight = layout.add("text.gate.weight", {dimension, items_read}),
          .bias = layout.add("text.gate.bias", {items_read})};
}

void newest_items(std::span<const data::ItemIndex> history, std::span<std::int32_t> newest) {
  const std::size_t read = std::min(history.size(), newest.size());
  std::copy_n(history.rbegin(), read, newest.begin());
  std::ranges::fill(newest.subspan(read), -1);
}

TextScores::TextScores(std::shared_ptr<const SparseMatrix> kernel, std::int64_t dimension,
                       std::int64_t items_read, std::vector<float> gate)
    : kernel_(std::move(kernel)),
      dimension_(dimension),
      items_read_(items_read),
      places_(add_text_gate(layout_, dimension, items_read)),
      gate_(std::move(gate)) {
  assert(gate_.size() == static_cast<std::size_t>(layout_.total));
}

void TextScores::add(std::span<const Query> queries, const float* hidden,
                     std::span<float> scores) const {
  const auto n = static_cast<std::int64_t>(queries.size());
  const auto items = static_cast<std::size_t>(kernel_->columns);
  std::vector<float> weights(static_cast<std::size_t>(n * items_read_));
  linear_forward({.rows = n, .in = dimension_, .out = items_read_}, hidden,
                 gate_.data() + places_.weight, gate_.data() + places_.bias, weights.data());
  std::vector<std::int32_t> newest(static_cast<std::size_t>(items_read_));
  for (std::size_t q = 0; q < queries.size(); ++q) {
    newest_items(queries[q].history, newest);
    float* const row = scores.data() + q * items;
    for (std::size_t i = 0; i < newest.size() && newest[i] >= 0; ++i) {
      const float weight = weights[q * newest.size() + i];
      const auto columns = kernel_->row_indices(newest[i]);
      const auto values = kernel_->row_values(newest[i]);
      for (std::size_t k = 0; k < columns.size(); ++k) row[columns[k]] += weight * values[k];
    }
  }
}

Json TextScores::to_json() const {
  return {{"items_read", items_read_}};
}

void TextScores::save(base::SafetensorsWriter& writer) const {
  kernel_->save(writer, kKernel);
  layout_.save(gate_, writer);
}

Result<std::optional<TextScores>> TextScores::read(const Json& options,
                                                   const base::Safetensors& file,
                                                   std::int64_t items, std::int64_t dimension) {
  if (!options.contains("text")) return std::nullopt;
  std::int64_t items_read = 0;
  const Size size{"items_read", &items_read, 1, 1000};
  TRY_VOID(read_sizes("text", options["text"], {&size, 1}));
  if (auto checked = check_sizes({&size, 1}); !checked)
    return fail(ErrorCode::kCorrupt, std::move(checked).error().message);
  WeightLayout layout;
  add_text_gate(layout, dimension, items_read);
  TRY(std::vector<float> gate, layout.read(file));
  TRY(SparseMatrix kernel, SparseMatrix::read(file, kKernel, items, items));
  return TextScores(std::make_shared<const SparseMatrix>(std::move(kernel)), dimension, items_read,
                    std::move(gate));
}

}  // namespace rapport::retrieval
