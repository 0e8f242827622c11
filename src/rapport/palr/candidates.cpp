#include "rapport/palr/candidates.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>

#include "rapport/base/random.h"
#include "rapport/evaluation/ranking_metrics.h"
#include "rapport/evaluation/top_k.h"
#include "rapport/retrieval/model_directory.h"
#include "rapport/retrieval/standard_scores.h"

namespace rapport::palr {
namespace {

/// Scores of all sources that one thread holds at a time.
constexpr std::size_t kBlockBytes = std::size_t{16} << 20;
constexpr float kMasked = -std::numeric_limits<float>::infinity();

/// The `best` highest of `scores`, best first; the tie breaker decides among equals, also who of
/// them is the last to come in.
std::vector<data::ItemIndex> best_of(std::span<const float> scores, std::int64_t best) {
  std::vector<data::ItemIndex> items;
  evaluation::top_k(scores, best, items);
  if (static_cast<std::int64_t>(items.size()) == best && best > 0) {
    const float last = scores[static_cast<std::size_t>(items.back())];
    std::erase_if(items, [&](data::ItemIndex item) {
      return !(scores[static_cast<std::size_t>(item)] > last);
    });
    for (std::size_t item = 0; item < scores.size(); ++item)
      if (scores[item] == last) items.push_back(static_cast<data::ItemIndex>(item));
  }
  std::ranges::sort(items, [&](data::ItemIndex a, data::ItemIndex b) {
    const float of_a = scores[static_cast<std::size_t>(a)];
    const float of_b = scores[static_cast<std::size_t>(b)];
    return of_a != of_b ? of_a > of_b : tie_breaker(a) < tie_breaker(b);
  });
  if (static_cast<std::int64_t>(items.size()) > best) items.resize(static_cast<std::size_t>(best));
  return items;
}

/// Damped standard scores.
void standardise(std::span<float> row, std::span<const data::ItemIndex> taken) {
  std::vector<float> standard(row.size(), 0.0f);
  if (const auto scale = retrieval::standard_scale(row, taken))
    retrieval::add_damped(row, *scale, 1, standard);
  std::ranges::copy(standard, row.begin());
}

/// Puts items below all others in each of `rows` [sources × items].
void mask(std::span<float> rows, std::size_t items, std::span<const data::ItemIndex> masked) {
  for (std::size_t begin = 0; begin < rows.size(); begin += items)
    for (const data::ItemIndex item : masked)
      rows[begin + static_cast<std::size_t>(item)] = kMasked;
}

/// `rows` [sources × items] are one user's scores, standardised and masked, of sources whose last
/// `judges` propose nothing; `also` are candidates too, and none that is masked.
Pool pool_of(std::span<const float> rows, std::size_t items, std::int64_t best, std::int64_t judges,
             std::span<const data::ItemIndex> also = {}) {
  const std::size_t sources = rows.size() / items;
  std::vector<std::vector<data::ItemIndex>> proposed;
  Pool pool{.sources = static_cast<std::int64_t>(sources),
            .judges = judges,
            .best = best,
            .items = {also.begin(), also.end()}};
  for (std::size_t s = 0; s < sources; ++s) {
    proposed.push_back(best_of(rows.subspan(s * items, items), best));
    if (s < pool.proposing())
      pool.items.insert(pool.items.end(), proposed.back().begin(), proposed.back().end());
  }
  pool.items = retrieval::distinct_items(pool.items);
  std::ranges::sort(pool.items, {}, tie_breaker);
  std::map<data::ItemIndex, std::size_t> place;
  for (std::size_t i = 0; i < pool.size(); ++i) place[pool.items[i]] = i;
  pool.scores.resize(pool.size() * sources);
  pool.ranks.assign(pool.size() * sources, static_cast<std::int32_t>(best) + 1);
  for (std::size_t s = 0; s < sources; ++s) {
    for (std::size_t i = 0; i < pool.size(); ++i)
      pool.scores[i * sources + s] = rows[s * items + static_cast<std::size_t>(pool.items[i])];
    for (std::size_t rank = 0; rank < proposed[s].size(); ++rank)
      if (const auto at = place.find(proposed[s][rank]); at != place.end())
        pool.ranks[at->second * sources + s] = static_cast<std::int32_t>(rank);
  }
  return pool;
}

/// scores [queries × sources × items], standardised.
Result<std::vector<float>> all_scores(std::span<const CandidateSource> sources,
                                      std::span<const retrieval::Query> queries,
                                      const std::function<Result<void>()>& go_on = {}) {
  const auto items = static_cast<std::size_t>(sources.front().model->items());
  std::vector<float> of_source(queries.size() * items);
  std::vector<float> scores(queries.size() * sources.size() * items);
  for (std::size_t s = 0; s < sources.size(); ++s) {
    if (go_on) TRY_VOID(go_on());
    TRY_VOID(sources[s].model->score(queries, of_source));
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const auto row = std::span(scores).subspan((i * sources.size() + s) * items, items);
      std::copy_n(of_source.data() + i * items, items, row.data());
      standardise(row, retrieval::distinct_items(queries[i].history));
    }
  }
  return scores;
}

/// Where each source alone puts the target; `rows` as pool_of has them. A target that is in the
/// history too is masked there, and so last.
std::vector<std::int64_t> ranks_alone(std::span<const float> rows, std::size_t items,
                                      data::ItemIndex target) {
  std::vector<std::int64_t> ranks;
  for (std::size_t begin = 0; begin < rows.size(); begin += items)
    ranks.push_back(evaluation::rank_against_ties(rows.subspan(begin, items), target));
  return ranks;
}

/// Which are the last ones.
std::int64_t judges_of(std::span<const CandidateSource> sources) {
  return std::ranges::count(sources, false, &CandidateSource::proposes);
}

std::string folder_name(const std::filesystem::path& directory) {
  return (directory.has_filename() ? directory : directory.parent_path()).filename().string();
}

}  // namespace

std::optional<std::size_t> Pool::find(data::ItemIndex item) const {
  const auto found = std::ranges::find(items, item);
  if (found == items.end()) return std::nullopt;
  return static_cast<std::size_t>(found - items.begin());
}

std::uint64_t tie_breaker(data::ItemIndex item) {
  return base::SplitMix64(static_cast<std::uint64_t>(item)).next();
}

Result<std::vector<CandidateSource>> load_sources(const std::vector<std::string>& models,
                                                  const data::Dataset& dataset,
                                                  const std::vector<std::string>& judges) {
  if (models.empty())
    return fail(ErrorCode::kInvalidArgument, "no model is named: candidates come from trained ones",
                "models");
  std::vector<std::string> directories = models;
  directories.insert(directories.end(), judges.begin(), judges.end());
  std::vector<CandidateSource> sources;
  std::map<std::string, int> of_kind;
  for (const std::string& directory : directories) {
    TRY(const Json description, retrieval::read_model_description(directory));
    TRY(auto model, retrieval::load_retriever_of(directory, dataset));
    const auto checksum = description["weights"]["sha256"].get<std::string>();
    if (std::ranges::find(sources, checksum, &CandidateSource::checksum) != sources.end())
      return fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} is the same model as one named before it: name each once", directory),
          "models");
    const std::string kind(model->kind());
    ++of_kind[kind];
    sources.push_back({.name = kind,
                       .checksum = checksum,
                       .model = std::move(model),
                       .proposes = sources.size() < models.size()});
  }
  for (std::size_t s = 0; s < sources.size(); ++s)
    if (of_kind[sources[s].name] > 1) sources[s].name = folder_name(directories[s]);
  for (const CandidateSource& source : sources) {
    if (std::ranges::count(sources, source.name, &CandidateSource::name) > 1)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("two models would both be called {}: give their folders names that "
                              "differ",
                              source.name),
                  "models");
  }
  return sources;
}

Result<Pool> candidates(std::span<const CandidateSource> sources, const retrieval::Query& query,
                        const PoolOptions& options, const PoolFilter& filter,
                        const std::function<Result<void>()>& go_on) {
  TRY(std::vector<float> scores, all_scores(sources, {&query, 1}, go_on));
  const std::size_t items = scores.size() / sources.size();
  std::vector<data::ItemIndex> refused;
  if (filter.admits) {
    for (data::ItemIndex item = 0; item < static_cast<data::ItemIndex>(items); ++item)
      if (!filter.admits(item)) refused.push_back(item);
  } else {
    refused = retrieval::distinct_items(query.history);
  }
  mask(scores, items, refused);
  std::vector<data::ItemIndex> also = filter.also;
  std::erase_if(also,
                [&](data::ItemIndex item) { return std::ranges::binary_search(refused, item); });
  return pool_of(scores, items, options.best, judges_of(sources), also);
}

Result<std::vector<HeldOutPool>> held_out_pools(const data::Dataset& dataset, data::Split split,
                                                std::span<const data::UserIndex> users,
                                                std::span<const CandidateSource> sources,
                                                const PoolOptions& options,
                                                retrieval::TrainingThreads& threads,
                                                const retrieval::WorkStep& step) {
  std::vector<HeldOutPool> pools;
  for (const data::UserIndex user : users) {
    if (const auto held_out = data::held_out(dataset, user, split))
      pools.push_back({.user = user, .history = held_out->history, .target = held_out->target});
  }
  const auto items = static_cast<std::size_t>(dataset.items());
  const std::int64_t judges = judges_of(sources);
  const std::size_t block =
      std::clamp<std::size_t>(kBlockBytes / (sources.size() * items * sizeof(float)), 1, 64);
  const auto work = [&](std::int64_t first, std::int64_t last) -> Result<void> {
    const auto part = std::span(pools).subspan(static_cast<std::size_t>(first),
                                               static_cast<std::size_t>(last - first));
    std::vector<retrieval::Query> queries;
    for (const HeldOutPool& each : part)
      queries.push_back({.user = each.user, .history = each.history});
    TRY(auto scores, all_scores(sources, queries));
    const std::size_t width = sources.size() * items;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto rows = std::span(scores).subspan(i * width, width);
      mask(rows, items, retrieval::distinct_items(part[i].history));
      part[i].pool = pool_of(rows, items, options.best, judges);
      if (const auto place = part[i].pool.find(part[i].target))
        part[i].place = static_cast<std::int64_t>(*place);
      part[i].alone = ranks_alone(rows, items, part[i].target);
    }
    return {};
  };
  TRY_VOID(threads.try_in_rounds(static_cast<std::int64_t>(pools.size()),
                                 static_cast<std::int64_t>(block), step, work));
  return pools;
}

std::vector<std::size_t> best_first(const Pool& pool) {
  std::vector<std::pair<std::int32_t, std::size_t>> ranked;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    std::int32_t best = pool.rank(i, 0);
    for (std::size_t s = 1; s < pool.proposing(); ++s) best = std::min(best, pool.rank(i, s));
    ranked.emplace_back(best, i);
  }
  std::ranges::sort(ranked);
  std::vector<std::size_t> order;
  for (const auto& [rank, place] : ranked) order.push_back(place);
  return order;
}

}  // namespace rapport::palr
