#include "rapport/retrieval/fusion.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <filesystem>

#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/standard_scores.h"

namespace rapport::retrieval {
namespace {

/// Scores of one member held at a time.
constexpr std::size_t kScratchBytes = std::size_t{8} << 20;

/// What the tensors of a member are called by, in front of the member's own names.
std::string prefix_of(std::size_t member) {
  return fmt::format("member{}.", member);
}

Result<FusionMember> load_member(const Json& entry, const base::Safetensors& file) {
  if (!entry.is_object() || !entry.contains("kind") || !entry["kind"].is_string() ||
      !entry.contains("weight") || !entry["weight"].is_number() || !entry.contains("options"))
    return fail(ErrorCode::kCorrupt, "a member of the fusion lacks kind, weight or options");
  const auto weight = entry["weight"].get<float>();
  if (!(weight > 0) || !std::isfinite(weight))
    return fail(ErrorCode::kCorrupt, "a member's weight is not above 0");
  const auto name = entry["kind"].get<std::string>();
  const auto kind = find_retriever_kind(name);
  if (!kind || name == "fusion")
    return fail(ErrorCode::kCorrupt,
                fmt::format("a member of the fusion is of kind \"{}\", which this build does not "
                            "know or cannot fuse",
                            name));
  TRY(auto model, (*kind)->load(entry["options"], file));
  return FusionMember{std::move(model), weight};
}

}  // namespace

void FusionOptions::describe(base::OptionSet& set) {
  set.add("models", models, "directories of trained models, separated by commas");
}

Result<FusionOptions> FusionOptions::resolved(const data::Dataset&) const {
  if (models.size() < 2)
    return fail(ErrorCode::kInvalidArgument,
                "a fusion takes at least two models: --set models=DIR,DIR", "models");
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (std::ranges::count(models, models[i]) > 1)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("models names {} more than once", models[i]), "models");
  }
  return *this;
}

Json FusionOptions::to_json() const {
  Json names = Json::array();
  for (const std::filesystem::path model : models)
    names.push_back((model.has_filename() ? model : model.parent_path()).filename().string());
  return {{"models", std::move(names)}};
}

Fusion::Fusion(std::vector<FusionMember> members)
    : Retriever(members.front().model->items()), members_(std::move(members)) {
  assert(std::ranges::all_of(members_, [this](const FusionMember& member) {
    return member.model->items() == items() && member.weight > 0 &&
           member.model->kind() != "fusion";
  }));
}

Result<std::unique_ptr<Retriever>> Fusion::load(const Json& options,
                                                const base::Safetensors& file) {
  if (!options.is_object() || !options.contains("members") || !options["members"].is_array() ||
      options["members"].empty())
    return fail(ErrorCode::kCorrupt, "the options of fusion lack members");
  std::vector<FusionMember> members;
  for (const Json& entry : options["members"]) {
    TRY(const base::Safetensors part, file.part(prefix_of(members.size())));
    TRY(FusionMember member, load_member(entry, part));
    if (!members.empty() && member.model->items() != members.front().model->items())
      return fail(ErrorCode::kCorrupt, "the members of the fusion score different catalogues");
    members.push_back(std::move(member));
  }
  return std::make_unique<Fusion>(std::move(members));
}

Result<void> Fusion::do_score(std::span<const Query> queries, std::span<float> scores) const {
  const auto items = static_cast<std::size_t>(this->items());
  const std::size_t block =
      std::clamp<std::size_t>(kScratchBytes / (items * sizeof(float)), 1, queries.size() + 1);
  std::ranges::fill(scores, 0.0f);
  std::vector<float> scratch;
  for (std::size_t begin = 0; begin < queries.size(); begin += block) {
    const auto asked = queries.subspan(begin, std::min(block, queries.size() - begin));
    std::vector<std::vector<data::ItemIndex>> seen;
    seen.reserve(asked.size());
    for (const Query& query : asked) seen.push_back(distinct_items(query.history));
    scratch.resize(asked.size() * items);
    for (const FusionMember& member : members_) {
      TRY_VOID(member.model->score(asked, scratch));
      for (std::size_t i = 0; i < asked.size(); ++i) {
        const auto row = std::span(scratch).subspan(i * items, items);
        if (const auto scale = standard_scale(row, seen[i]))
          add_damped(row, *scale, member.weight, scores.subspan((begin + i) * items, items));
      }
    }
  }
  return {};
}

Json Fusion::do_options() const {
  Json members = Json::array();
  for (const FusionMember& member : members_)
    members.push_back({{"kind", member.model->kind()},
                       {"weight", member.weight},
                       {"options", member.model->options()}});
  return {{"items", items()}, {"members", std::move(members)}};
}

void Fusion::do_save(base::SafetensorsWriter& writer) const {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    base::SafetensorsWriter own;
    members_[i].model->save(own);
    writer.add_all(prefix_of(i), own);
  }
}

}  // namespace rapport::retrieval
