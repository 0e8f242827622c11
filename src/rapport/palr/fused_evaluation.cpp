#include "rapport/palr/fused_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "rapport/evaluation/report.h"

namespace rapport::palr {
namespace {

using evaluation::FullRanking;

constexpr evaluation::Metric kChosenBy = evaluation::ndcg_at(10);
/// Of a voice's score, in standard deviations, against the retriever's.
constexpr double kWeights[] = {0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.4, 2, 3, 5};

/// What is said of one user's candidates, voice by voice, in standard deviations.
struct Heard {
  data::UserIndex user = 0;
  double weight = 1;
  std::int64_t place = -1;                   // of the target among the candidates
  std::int64_t alone = 0;                    // the retriever's rank of it among all items
  std::vector<float> retriever;              // [candidates]
  std::vector<std::vector<float>> readings;  // [readings of all voices][candidates]
};

/// A voice may be read in several ways; which is chosen with the weight.
struct Reading {
  std::size_t voice = 0;
  std::string name;
};

void standardise(std::span<float> scores) {
  if (scores.empty()) return;
  const auto count = static_cast<double>(scores.size());
  double mean = 0, squares = 0;
  for (const float each : scores) mean += static_cast<double>(each) / count;
  for (const float each : scores) squares += std::pow(static_cast<double>(each) - mean, 2) / count;
  const double inverse = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (float& each : scores)
    each = static_cast<float>((static_cast<double>(each) - mean) * inverse);
}

/// What the language model said of the candidates of `pool`, as often as it can be read.
Result<std::vector<std::vector<float>>> readings_of(const ScoredCandidates& scored,
                                                    const Pool& pool, const data::Dataset& dataset,
                                                    bool has_priors) {
  std::vector<std::vector<float>> readings(has_priors ? 2 : 1);
  for (const data::ItemIndex item : pool.items) {
    const auto found = std::ranges::find(scored.items, item);
    if (found == scored.items.end())
      return fail(
          ErrorCode::kConflict,
          fmt::format("the language model was not asked about the candidate {}: it was asked "
                      "about another retriever's, or about fewer; ask again with rapport "
                      "palr score and this retriever alone, or name fewer --candidates",
                      dataset.catalogue().id(item)),
          "language-scores");
    const auto at = static_cast<std::size_t>(found - scored.items.begin());
    readings[0].push_back(scored.scores[at]);
    if (has_priors) readings[1].push_back(scored.scores[at] - scored.priors[at]);
  }
  return readings;
}

class Listener {
 public:
  Listener(const data::Dataset& dataset, const FusedVoices& voices, const FusedOptions& options,
           const LearningContext& context)
      : dataset_(dataset),
        voices_(voices),
        options_(options),
        context_(context),
        threads_(context.ranker.threads) {
    sources_ = {voices.retriever};
    for (CandidateSource other : voices.others) {
      other.proposes = false;
      sources_.push_back(std::move(other));
    }
    const std::size_t first = voices.scores != nullptr ? 1 : 0;
    if (voices.scores != nullptr) {
      readings_.push_back({0, "language model"});
      if (voices.scores->has_priors()) readings_.push_back({0, "language model, lift"});
    }
    for (std::size_t i = 0; i < voices.others.size(); ++i)
      readings_.push_back({first + i, voices.others[i].name});
  }

  const std::vector<Reading>& readings() const { return readings_; }

  Result<std::vector<Heard>> hear(data::Split split) {
    std::vector<data::UserIndex> everyone(static_cast<std::size_t>(dataset_.users()));
    std::iota(everyone.begin(), everyone.end(), data::UserIndex{0});
    TRY(const auto users,
        asked_about(dataset_, split, std::move(everyone), {.scores = voices_.scores}, nullptr));
    const auto step = context_.stage
                          ? context_.stage(fmt::format("{} candidates", data::name(split)),
                                           static_cast<std::int64_t>(users.size()))
                          : retrieval::WorkStep();
    TRY(const auto pools, held_out_pools(dataset_, split, users, sources_,
                                         {.best = options_.candidates}, threads_, step));
    if (pools.empty())
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} has no user with three interactions: there is nothing to rank",
                              dataset_.name()),
                  "data");
    std::vector<Heard> heard;
    for (const HeldOutPool& pool : pools) {
      TRY(Heard one, of_user(pool));
      heard.push_back(std::move(one));
    }
    return heard;
  }

 private:
  Result<Heard> of_user(const HeldOutPool& held_out) const {
    const Pool& pool = held_out.pool;
    Heard heard{.user = held_out.user,
                .weight = dataset_.weight(held_out.user),
                .place = held_out.place,
                .alone = held_out.alone.front(),
                .retriever = {},
                .readings = {}};
    if (voices_.scores != nullptr) {
      const ScoredCandidates& scored =
          *voices_.scores->find({held_out.user, held_out.history.size()});
      heard.weight = static_cast<double>(scored.weight);
      TRY(heard.readings, readings_of(scored, pool, dataset_, voices_.scores->has_priors()));
    }
    for (std::size_t source = 0; source < sources_.size(); ++source) {
      std::vector<float> scores;
      for (std::size_t i = 0; i < pool.size(); ++i) scores.push_back(pool.score(i, source));
      if (source == 0) {
        heard.retriever = std::move(scores);
      } else {
        heard.readings.push_back(std::move(scores));
      }
    }
    standardise(heard.retriever);
    for (auto& reading : heard.readings) standardise(reading);
    return heard;
  }

  const data::Dataset& dataset_;
  const FusedVoices& voices_;
  const FusedOptions& options_;
  const LearningContext& context_;
  retrieval::TrainingThreads threads_;
  std::vector<CandidateSource> sources_;  // the retriever, then the others as judges
  std::vector<Reading> readings_;
};

/// Ranks by retriever + weight · reading; by the reading alone without a weight.
FullRanking ranked(std::span<const Heard> users, std::size_t reading, std::optional<double> weight,
                   std::int64_t last) {
  FullRanking ranking;
  std::vector<float> sums;
  for (const Heard& heard : users) {
    sums.assign(heard.readings[reading].begin(), heard.readings[reading].end());
    if (weight)
      for (std::size_t i = 0; i < sums.size(); ++i)
        sums[i] = heard.retriever[i] + static_cast<float>(*weight) * sums[i];
    ranking.users.push_back(
        {heard.user, heard.place < 0 ? last : rank_in_list(sums, heard.place), heard.weight});
  }
  return ranking;
}

struct Choice {
  std::size_t reading = 0;
  double weight = 0, ndcg = -1;
};

/// The best way to read a voice and its weight, of equal ones the first: on validation items.
Choice choose(std::span<const Heard> users, std::span<const Reading> readings, std::size_t voice,
              std::int64_t last) {
  Choice best;
  for (std::size_t reading = 0; reading < readings.size(); ++reading) {
    if (readings[reading].voice != voice) continue;
    for (const double weight : kWeights) {
      const double ndcg = ranked(users, reading, weight, last).metrics().mean(kChosenBy);
      if (ndcg > best.ndcg) best = {reading, weight, ndcg};
    }
  }
  return best;
}

Json means(const evaluation::RankingMetrics& metrics) {
  Json json = Json::object();
  for (const auto& metric : evaluation::reported_metrics())
    json[metric.name()] = metrics.mean(metric);
  return json;
}

Json differences(const std::vector<evaluation::Estimate>& estimates) {
  Json json = Json::object();
  for (const auto& [metric, interval] : estimates)
    json[metric.name()] = {
        {"difference", interval.estimate}, {"low", interval.low}, {"high", interval.high}};
  return json;
}

Json fused_json(const FusedVoice& voice) {
  Json json = means(voice.fused);
  json["weight"] = voice.weight;
  json["validation"] = {{kChosenBy.name(), voice.validation}};
  json["gain"] = differences(voice.gain);
  return json;
}

std::string interval_of(const std::vector<evaluation::Estimate>& estimates) {
  const auto found = std::ranges::find(estimates, kChosenBy, &evaluation::Estimate::metric);
  if (found == estimates.end()) return "";
  return fmt::format("{:+.4f} ({:+.4f} to {:+.4f})", found->interval.estimate, found->interval.low,
                     found->interval.high);
}

}  // namespace

Result<FusedEvaluation> evaluate_fused(const data::Dataset& dataset, const FusedVoices& voices,
                                       const FusedOptions& options,
                                       const LearningContext& context) {
  if (voices.scores == nullptr && voices.others.empty())
    return fail(ErrorCode::kInvalidArgument,
                "there is nothing to fuse the retriever with: name --language-scores (of rapport "
                "palr score), or --judges",
                "judges");
  const auto start = context.clock.steady();
  Listener listener(dataset, voices, options, context);
  TRY(const std::vector<Heard> chosen_on, listener.hear(data::Split::kValidation));
  TRY(const std::vector<Heard> measured, listener.hear(data::Split::kTest));
  const std::int64_t last = dataset.items() - 1;
  const auto metrics = evaluation::reported_metrics();

  FusedEvaluation found{.data = dataset.name(),
                        .data_checksum = dataset.checksum(),
                        .retriever_name = voices.retriever.name,
                        .retriever = {},
                        .validation_users = static_cast<std::int64_t>(chosen_on.size()),
                        .voices = {},
                        .confidence = options.bootstrap.confidence};
  FullRanking retriever;
  double weights = 0;
  for (const Heard& heard : measured) {
    retriever.users.push_back({heard.user, heard.alone, heard.weight});
    weights += heard.weight;
    found.ceiling += heard.place >= 0 ? heard.weight : 0;
  }
  found.ceiling /= weights;
  found.retriever = retriever.metrics();

  std::optional<FullRanking> first;
  const std::size_t count = voices.others.size() + (voices.scores != nullptr ? 1 : 0);
  for (std::size_t voice = 0; voice < count; ++voice) {
    const Choice choice = choose(chosen_on, listener.readings(), voice, last);
    const FullRanking fused = ranked(measured, choice.reading, choice.weight, last);
    FusedVoice one{.name = listener.readings()[choice.reading].name,
                   .weight = choice.weight,
                   .validation = choice.ndcg,
                   .alone = ranked(measured, choice.reading, std::nullopt, last).metrics(),
                   .fused = fused.metrics(),
                   .gain = {},
                   .behind_first = {}};
    TRY(one.gain, evaluation::compare(fused, retriever, metrics, options.bootstrap));
    if (first) {
      TRY(one.behind_first, evaluation::compare(*first, fused, metrics, options.bootstrap));
    } else {
      first = fused;
    }
    found.voices.push_back(std::move(one));
  }
  found.seconds = std::chrono::duration<double>(context.clock.steady() - start).count();
  return found;
}

Json to_json(const FusedEvaluation& evaluation) {
  Json retriever = means(evaluation.retriever);
  retriever["name"] = evaluation.retriever_name;
  const FusedVoice& first = evaluation.voices.front();
  Json language_model = means(first.alone);
  language_model["name"] = first.name;
  Json controls = Json::array();
  for (std::size_t i = 1; i < evaluation.voices.size(); ++i) {
    const FusedVoice& control = evaluation.voices[i];
    controls.push_back({{"name", control.name},
                        {"alone", means(control.alone)},
                        {"fused", fused_json(control)},
                        {"behind_first", differences(control.behind_first)}});
  }
  return {{"data", {{"name", evaluation.data}, {"checksum", evaluation.data_checksum}}},
          {"split", "test"},
          {"users", evaluation.retriever.users()},
          {"validation_users", evaluation.validation_users},
          {"retriever", std::move(retriever)},
          {"language_model", std::move(language_model)},
          {"fused", fused_json(first)},
          {"ceiling", evaluation.ceiling},
          {"controls", std::move(controls)},
          {"confidence", evaluation.confidence},
          {"seconds", evaluation.seconds}};
}

std::string to_markdown(const FusedEvaluation& evaluation) {
  constexpr evaluation::Metric kShown[] = {evaluation::hit_rate_at(10), evaluation::ndcg_at(10)};
  std::vector<std::string> header = {"order by", "weight"};
  for (const auto& metric : kShown) header.push_back(metric.name());
  header.push_back("gain in " + kChosenBy.name());
  header.push_back(evaluation.voices.front().name + " over it");
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const std::string& name, const std::string& weight,
                       const evaluation::RankingMetrics& metrics, const std::string& gain,
                       const std::string& behind) {
    std::vector<std::string> row = {name, weight};
    for (const auto& metric : kShown) row.push_back(fmt::format("{:.4f}", metrics.mean(metric)));
    row.push_back(gain);
    row.push_back(behind);
    rows.push_back(std::move(row));
  };
  add(evaluation.retriever_name, "", evaluation.retriever, "", "");
  for (const FusedVoice& voice : evaluation.voices) {
    add(voice.name + " alone", "", voice.alone, "", "");
    add(fmt::format("{} and {}", evaluation.retriever_name, voice.name),
        fmt::format("{}", voice.weight), voice.fused, interval_of(voice.gain),
        interval_of(voice.behind_first));
  }
  return fmt::format(
      "{}, test items of {} users, among the candidates of {:.4f} of them; weights chosen on the "
      "validation items of {} users\n\n{}",
      evaluation.data, evaluation.retriever.users(), evaluation.ceiling,
      evaluation.validation_users, evaluation::markdown_table(header, rows));
}

}  // namespace rapport::palr
