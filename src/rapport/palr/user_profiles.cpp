#include "rapport/palr/user_profiles.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "rapport/base/json_member.h"
#include "rapport/palr/prompt.h"
#include "rapport/palr/prompts.h"

namespace rapport::palr {
namespace {

constexpr const char* kKind = "profiles";

Json to_json(const std::vector<PreferenceKeyword>& part, const data::Catalogue& catalogue) {
  Json list = Json::array();
  for (const PreferenceKeyword& each : part) {
    Json evidence = Json::array();
    for (const data::ItemIndex item : each.evidence) evidence.push_back(catalogue.id(item));
    list.push_back({{"keyword", each.text},
                    {"kind", each.kind},
                    {"support", each.support},
                    {"lift", each.lift},
                    {"evidence", std::move(evidence)}});
  }
  return list;
}

/// None where the JSON is not what `to_json` made with this vocabulary.
std::optional<PreferenceKeyword> read_keyword(const Json& json, const Vocabulary& vocabulary,
                                              const data::Catalogue& catalogue) {
  const auto number = vocabulary.find(base::text_member(json, "keyword"));
  const Json* support = base::member(json, "support", &Json::is_number);
  const Json* lift = base::member(json, "lift", &Json::is_number);
  const Json* evidence = base::member(json, "evidence", &Json::is_array);
  if (!number || support == nullptr || lift == nullptr || evidence == nullptr) return std::nullopt;
  PreferenceKeyword keyword{.keyword = *number,
                            .text = vocabulary.keyword(*number).text,
                            .kind = vocabulary.keyword(*number).kind,
                            .support = support->get<double>(),
                            .lift = lift->get<double>(),
                            .evidence = {}};
  for (const Json& id : *evidence) {
    const auto item =
        id.is_string() ? catalogue.find(id.get<std::string>()) : std::optional<data::ItemIndex>();
    if (!item) return std::nullopt;
    keyword.evidence.push_back(*item);
  }
  return keyword;
}

std::optional<std::vector<PreferenceKeyword>> read_part(const Json& json, const char* name,
                                                        const Vocabulary& vocabulary,
                                                        const data::Catalogue& catalogue) {
  const Json* list = base::member(json, name, &Json::is_array);
  if (list == nullptr) return std::nullopt;
  std::vector<PreferenceKeyword> part;
  for (const Json& each : *list) {
    auto keyword = read_keyword(each, vocabulary, catalogue);
    if (!keyword) return std::nullopt;
    part.push_back(*std::move(keyword));
  }
  return part;
}

struct Made {
  UserProfile profile;
  float weight = 1;
};

AnswerFile::OnLine into(std::map<AskedKey, Made>& profiles, const Vocabulary& vocabulary,
                        const data::Dataset& dataset) {
  return [&](const AskedKey& key, float weight, const Json& json) -> std::string {
    auto lasting = read_part(json, "lasting", vocabulary, dataset.catalogue());
    auto recent = read_part(json, "recent", vocabulary, dataset.catalogue());
    if (!lasting || !recent) return "this is no profile in words of this data set";
    profiles[key] = {{*std::move(lasting), *std::move(recent)}, weight};
    return "";
  };
}

/// Means over users of the share of keywords that an item has.
class BorneOut {
 public:
  void add(std::span<const PreferenceKeyword> keywords, std::span<const std::int32_t> of_item,
           double weight) {
    if (keywords.empty()) return;
    const auto had = std::ranges::count_if(keywords, [&](const PreferenceKeyword& each) {
      return std::ranges::binary_search(of_item, each.keyword);
    });
    sum_ += weight * static_cast<double>(had) / static_cast<double>(keywords.size());
    weights_ += weight;
  }
  double mean() const { return weights_ > 0 ? sum_ / weights_ : 0; }

 private:
  double sum_ = 0, weights_ = 0;
};

}  // namespace

Result<UserProfiles> UserProfiles::open(const std::filesystem::path& path,
                                        const data::Dataset& dataset) {
  UserProfiles profiles;
  profiles.vocabulary_ = mine_vocabulary(dataset, {});
  std::map<AskedKey, Made> made;
  TRY(profiles.about_,
      AnswerFile::read(path, kKind, dataset, into(made, profiles.vocabulary_, dataset)));
  for (auto& [key, each] : made) {
    profiles.weights_[key] = each.weight;
    profiles.profiles_[key] = std::move(each.profile);
  }
  return profiles;
}

const UserProfile* UserProfiles::find(const AskedKey& key) const {
  const auto found = profiles_.find(key);
  return found == profiles_.end() ? nullptr : &found->second;
}

Result<Json> profile_users(const data::Dataset& dataset, data::Split split, const Lot& users,
                           language::EmbeddedModel* model, const ProfileOptions& options,
                           const std::filesystem::path& path, const AskingContext& context) {
  const auto start = context.clock.steady();
  const Vocabulary vocabulary = mine_vocabulary(dataset, {});
  TRY(const Profiler profiler, Profiler::create(dataset, vocabulary, model, options));
  const Json header = AnswerFile::header(
      kKind, dataset, model, context,
      {{"options", options.to_json()},
       {"prompt", prompt_digest(prompts::kProfile)},
       {"vocabulary", {{"rules", kVocabularyRules}, {"keywords", vocabulary.size()}}}});
  std::map<AskedKey, Made> made;
  TRY(AnswerFile file, AnswerFile::begin(path, header, dataset, into(made, vocabulary, dataset)));
  const std::vector<AskedUser> wanted = users_to_ask(dataset, split, users);
  const auto ask = [&](std::span<const AskedUser> group) -> Result<std::vector<Json>> {
    std::vector<Json> lines;
    for (const AskedUser& each : group) {
      TRY(const UserProfile profile, profiler.profile(each.held_out.history, context.stop_token));
      lines.push_back(to_json(profile, dataset.catalogue()));
    }
    return lines;
  };
  TRY(const std::int64_t profiled, ask_each(file, wanted, 1, ask, context));

  double weights = 0, keywords = 0;
  BorneOut borne_out, by_support;
  for (const AskedUser& each : wanted) {
    const UserProfile& own = made[each.key()].profile;
    const auto weight = static_cast<double>(each.weight);
    weights += weight;
    keywords += weight * static_cast<double>(own.lasting.size());
    const auto of_item = vocabulary.of(each.held_out.target);
    borne_out.add(own.lasting, of_item, weight);
    by_support.add(supported_keywords(each.held_out.history, vocabulary, options.keywords), of_item,
                   weight);
  }
  return Json{{"users", wanted.size()},
              {"profiled", profiled},
              {"keywords", weights > 0 ? keywords / weights : 0},
              {"borne_out", borne_out.mean()},
              {"borne_out_by_support", by_support.mean()},
              {"seconds", std::chrono::duration<double>(context.clock.steady() - start).count()}};
}

Json to_json(const UserProfile& profile, const data::Catalogue& catalogue) {
  return {{"lasting", to_json(profile.lasting, catalogue)},
          {"recent", to_json(profile.recent, catalogue)}};
}

FeatureFamily profile_features(const UserProfiles& profiles) {
  FeatureFamily family;
  family.features = {
      {"profile_lasting", "keywords of the user's profile that it has, the first counting most",
       "which keywords of the profile it has"},
      {"profile_recent", "the same of what is new in the profile",
       "which new keywords of the profile it has"}};
  family.compute = [&profiles](const FeatureInput& input, std::span<float> values) -> Result<void> {
    const UserProfile* own = profiles.find({input.user, input.history.size()});
    if (own == nullptr) return {};
    const auto sum = [](std::span<const PreferenceKeyword> keywords,
                        std::span<const std::int32_t> of_item) {
      double weight = 0;
      for (std::size_t place = 0; place < keywords.size(); ++place)
        if (std::ranges::binary_search(of_item, keywords[place].keyword))
          weight += 1 / std::log2(2 + static_cast<double>(place));
      return static_cast<float>(weight);
    };
    for (std::size_t i = 0; i < input.pool.size(); ++i) {
      const auto of_item = profiles.vocabulary().of(input.pool.items[i]);
      values[2 * i] = sum(own->lasting, of_item);
      values[2 * i + 1] = sum(own->recent, of_item);
    }
    return {};
  };
  return family;
}

}  // namespace rapport::palr
