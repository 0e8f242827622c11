// Profiles of many users (user_profile.h), made once, kept in a file, read by every ranker after
// that.
//
//   TRY(const auto report, profile_users(dataset, Split::kValidation, users, &model, options,
//                                        "profiles.jsonl", context));
//   TRY(const UserProfiles profiles, UserProfiles::open("profiles.jsonl", dataset));
//   features.add(profile_features(profiles));
//
// They are kept as answer_file.h says.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "rapport/data/leave_one_out.h"
#include "rapport/palr/answer_file.h"
#include "rapport/palr/features.h"
#include "rapport/palr/user_profile.h"

namespace rapport::palr {

class UserProfiles {
 public:
  /// Errors: those of AnswerFile::read.
  static Result<UserProfiles> open(const std::filesystem::path& path, const data::Dataset& dataset);

  /// None where it was not made.
  const UserProfile* find(const AskedKey& key) const;
  /// Users that the one of a profile stands for.
  float weight(const AskedKey& key) const { return weights_.at(key); }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  const Json& about() const { return about_; }

 private:
  Json about_;
  Vocabulary vocabulary_;
  std::map<AskedKey, UserProfile> profiles_;
  std::map<AskedKey, float> weights_;
};

/// Of those of `users` with an item held out whom the file lacks yet; `model` may be null where the
/// options do not choose by it. Returns {"users", "profiled", "keywords" (of what lasts, a user),
/// "borne_out" (share of those keywords that the held-out item has), "borne_out_by_support" (the
/// same where the best supported are taken), "seconds"}. Errors: those of AnswerFile::begin and of
/// Profiler; kCancelled.
Result<Json> profile_users(const data::Dataset& dataset, data::Split split, const Lot& users,
                           language::EmbeddedModel* model, const ProfileOptions& options,
                           const std::filesystem::path& path, const AskingContext& context);

/// {"lasting": [{"keyword", "kind", "support", "lift", "evidence": [item ids]}, …], "recent": […]}
Json to_json(const UserProfile& profile, const data::Catalogue& catalogue);

inline constexpr std::string_view kProfileFeatures[] = {"profile_lasting", "profile_recent"};

/// How many of the profile's keywords a candidate has, the first counting most (1 / log2(1 +
/// place)): of what lasts, and of what is new. `profiles` outlives it.
FeatureFamily profile_features(const UserProfiles& profiles);

}  // namespace rapport::palr
