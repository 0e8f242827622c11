#include "rapport/retrieval/popularity.h"

#include <algorithm>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/interactions.h"

namespace rapport::retrieval {

Popularity::Popularity(std::vector<float> counts)
    : Retriever(static_cast<std::int64_t>(counts.size())), counts_(std::move(counts)) {}

std::unique_ptr<Popularity> Popularity::fit(const data::Dataset& dataset) {
  const auto counts = item_counts(data::training_histories(dataset), dataset.items());
  return std::make_unique<Popularity>(std::vector<float>(counts.begin(), counts.end()));
}

Result<std::unique_ptr<Retriever>> Popularity::load(const Json& options,
                                                    const base::Safetensors& file) {
  if (!options.is_object() || !options.contains("items") || !options["items"].is_number_integer())
    return fail(ErrorCode::kCorrupt, "the options of popularity lack items");
  TRY(std::vector<float> counts,
      read_weights(file, "counts", {options["items"].get<std::int64_t>()}));
  return std::make_unique<Popularity>(std::move(counts));
}

Result<void> Popularity::do_score(std::span<const Query> queries, std::span<float> scores) const {
  for (std::size_t i = 0; i < queries.size(); ++i)
    std::ranges::copy(counts_, scores.begin() + static_cast<std::ptrdiff_t>(i * counts_.size()));
  return {};
}

void Popularity::do_save(base::SafetensorsWriter& writer) const {
  writer.add("counts", {items()}, counts_);
}

}  // namespace rapport::retrieval
