// How often each item was taken: what everybody gets before anything is known of them, and the
// baseline that any model must beat.
#pragma once

#include <memory>
#include <vector>

#include "rapport/base/safetensors.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

class Popularity final : public Retriever {
 public:
  /// counts [items].
  explicit Popularity(std::vector<float> counts);
  /// Counts the training part of each history; what is held out is not looked at.
  static std::unique_ptr<Popularity> fit(const data::Dataset& dataset);
  /// Errors: kCorrupt.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "popularity"; }

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override { return {{"items", items()}}; }
  void do_save(base::SafetensorsWriter& writer) const override;

  std::vector<float> counts_;
};

}  // namespace rapport::retrieval
