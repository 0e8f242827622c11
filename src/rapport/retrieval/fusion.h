// A linear fusion of trained models: each member's scores in standard deviations of the user's own
// scores, damped (standard_scores.h), times the member's weight, summed. Vogt & Cottrell, "Fusion
// via a Linear Combination of Scores", Information Retrieval 1999; scores by Montague & Aslam,
// "Relevance Score Normalization for Metasearch", CIKM 2001.
//
//   TRY(const Fit fit, fit_retriever("fusion", dataset, {{"models", "models/a,models/b"}},
//   context));
//
// A member whose scores tell a user's items not apart (all equal, or one infinite or no number) has
// no say in what that user gets. The model holds its members whole, so its directory needs no
// other.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "rapport/base/config.h"
#include "rapport/retrieval/retriever.h"

namespace rapport::retrieval {

struct FusionOptions {
  std::vector<std::string> models;  // directories of trained models, at least two

  void describe(base::OptionSet& set);
  /// Errors: kInvalidArgument for fewer than two models, or one that is named twice.
  Result<FusionOptions> resolved(const data::Dataset& dataset) const;
  /// The directories' names only: where they lay is of no use to others.
  Json to_json() const;
};

struct FusionMember {
  std::unique_ptr<Retriever> model;
  float weight = 1;  // > 0
};

class Fusion final : public Retriever {
 public:
  /// `members`: at least one, all of one catalogue, none a fusion.
  explicit Fusion(std::vector<FusionMember> members);
  /// Errors: kCorrupt; those of the members' own.
  static Result<std::unique_ptr<Retriever>> load(const Json& options,
                                                 const base::Safetensors& file);

  std::string_view kind() const override { return "fusion"; }
  const std::vector<FusionMember>& members() const { return members_; }

 private:
  Result<void> do_score(std::span<const Query> queries, std::span<float> scores) const override;
  Json do_options() const override;
  void do_save(base::SafetensorsWriter& writer) const override;

  std::vector<FusionMember> members_;
};

}  // namespace rapport::retrieval
