// One recommendation from beginning to end, store and all: identify to learn, with popularity, with
// a SASRec of MovieLens-1M's size, and with a ranker that orders what that and two factor models
// propose. SASRec's weights are random, which takes the same time as trained ones.
//
//   recommend_benchmark [--json]
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "figures.h"
#include "rapport/engine/recommend.h"
#include "rapport/palr/learning.h"
#include "rapport/palr/list_ranker.h"
#include "rapport/retrieval/registry.h"
#include "rapport/retrieval/sasrec.h"
#include "rapport/store/home_store.h"

namespace rapport {
namespace {

// MovieLens-1M's items and categories; its median user has some 100 interactions.
constexpr std::int64_t kItems = 3'416;
constexpr std::int64_t kCategories = 18;
constexpr std::int64_t kUsers = 200;
constexpr std::int64_t kHistory = 100;
constexpr int kMeasured = 2'000;

using bench::must;

std::shared_ptr<const data::Dataset> made_up(base::Random& random) {
  data::DatasetParts parts;
  parts.name = "made-up";
  parts.offsets = {0};
  std::vector<data::Item> items(kItems);
  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].id = fmt::format("{}", i + 1);
    items[i].title = fmt::format("Film number {}", i + 1);
    items[i].year = 1930 + static_cast<std::int32_t>(random.next() % 70);
    for (std::uint64_t n = 1 + random.next() % 3; n > 0; --n) {
      items[i].categories.push_back(fmt::format("Category {}", random.next() % kCategories));
    }
  }
  std::vector<data::Person> people(kUsers);
  for (std::size_t user = 0; user < people.size(); ++user) {
    people[user].id = fmt::format("{}", user + 1);
    const auto first = static_cast<std::int64_t>(random.next() % kItems);
    for (std::int64_t i = 0; i < kHistory; ++i) {
      parts.sequence.push_back(static_cast<data::ItemIndex>((first + 31 * i) % kItems));
    }
    parts.offsets.push_back(static_cast<std::int64_t>(parts.sequence.size()));
  }
  parts.catalogue = must(data::Catalogue::create(std::move(items)));
  parts.people = must(data::People::create(std::move(people)));
  return std::make_shared<const data::Dataset>(must(data::Dataset::create(std::move(parts))));
}

std::shared_ptr<const retrieval::Retriever> random_sasrec(base::Random& random) {
  const retrieval::SasrecShape shape{.items = kItems, .max_length = 200};
  std::vector<float> weights(static_cast<std::size_t>(sasrec_weights(shape).total));
  for (float& weight : weights) weight = static_cast<float>(random.uniform() - 0.5) * 0.1F;
  return std::make_shared<retrieval::Sasrec>(shape, std::move(weights));
}

std::shared_ptr<const palr::ListRanker> learned(const data::Dataset& dataset,
                                                std::shared_ptr<const retrieval::Retriever> sasrec,
                                                const base::Clock& clock) {
  std::vector<palr::CandidateSource> sources = {{"sasrec", "sasrec", std::move(sasrec)}};
  for (const char* kind : {"fpmc", "bprmf"})
    sources.push_back(
        {kind, kind, must(retrieval::fit_retriever(kind, dataset, {}, {.clock = clock})).model});
  palr::PalrOptions options;
  options.fraction = 1;
  auto model =
      must(palr::learn_ranking(dataset, sources, options, {}, {.clock = clock, .ranker = {}}));
  return must(palr::ListRanker::create(std::move(model), std::move(sources), dataset, 0));
}

struct Bench {
  engine::CatalogueSlot slot;
  engine::Attribution attribution;
  std::unique_ptr<engine::Recommender> recommender;
  bench::Figures figures;

  engine::RecommendationRequest request(int n) const {
    engine::RecommendationRequest request;
    request.caller.body_user = fmt::format("user{}", n % kUsers);
    return request;
  }

  /// `bar` says which times it has to keep to.
  void measure(const std::string& what, const base::Clock& clock, bool bar = true) {
    std::vector<double> milliseconds;
    for (int n = -200; n < kMeasured; ++n) {
      const auto began = clock.steady();
      must(recommender->recommend(request(n + 200)));
      const std::chrono::duration<double, std::milli> took = clock.steady() - began;
      if (n >= 0) milliseconds.push_back(took.count());  // what comes before warms up
    }
    std::sort(milliseconds.begin(), milliseconds.end());
    figures.add(what + (bar ? ": median (bar: at most 1)" : ": median"),
                milliseconds[milliseconds.size() / 2], "ms");
    figures.add(what + (bar ? ": 99 % within (bar: at most 5)" : ": 99 % within"),
                milliseconds[milliseconds.size() * 99 / 100], "ms");

    std::atomic<int> next{0};
    const auto began = clock.steady();
    {
      std::vector<std::jthread> threads;
      for (unsigned t = 0; t < std::max(1U, std::thread::hardware_concurrency()); ++t) {
        threads.emplace_back([&] {
          for (int n = next++; n < kMeasured; n = next++) must(recommender->recommend(request(n)));
        });
      }
    }
    const std::chrono::duration<double> took = clock.steady() - began;
    figures.add(what + ": as many as the cores take", kMeasured / took.count(),
                "recommendations/s");
  }
};

int run(bool json) {
  std::string pattern = (std::filesystem::temp_directory_path() / "rapport-bench-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) return 1;
  const std::filesystem::path home = pattern;
  Bench bench;
  {
    base::SystemClock clock;
    base::SystemRandom random;
    base::SeededRandom seeded(7);
    const auto opened = must(store::HomeStore::open(home, {}, clock, random));
    const store::KeyRing& keys = opened.keys;
    const auto& store = opened.store;
    const auto dataset = made_up(seeded);
    for (std::int64_t user = 0; user < kUsers; ++user) {
      const std::string name = fmt::format("user{}", user);
      const store::UserId id =
          must(store->ensure_user(keys.pseudonym("default", name), "default", name)).id;
      std::vector<store::Interaction> interactions;
      for (const data::ItemIndex item : dataset->history(static_cast<data::UserIndex>(user))) {
        interactions.push_back({.id = random.id("act_"),
                                .user = id,
                                .catalogue = dataset->name(),
                                .kind = store::InteractionKind::kClick,
                                .item = std::string(dataset->catalogue().id(item))});
      }
      must(store->add_interactions(interactions).map([] { return true; }));
    }
    bench.recommender = std::make_unique<engine::Recommender>(
        engine::RecommendOptions{}, profile::Degree::kMemory, *store, keys, bench.slot,
        bench.attribution, clock, random);
    bench.slot.put(engine::ServedCatalogue::create(dataset, nullptr, "not measured here"));
    bench.measure("popularity", clock);
    const auto sasrec = random_sasrec(seeded);
    const auto served = engine::ServedCatalogue::create(dataset, sasrec);
    bench.slot.put(served);
    bench.measure("sasrec", clock);
    bench.slot.put(served->with_ranking(learned(*dataset, sasrec, clock)));
    bench.measure("a ranker over three models", clock, /*bar=*/false);
    bench.recommender.reset();
  }
  std::filesystem::remove_all(home);

  bench.figures.print(json);
  return 0;
}

}  // namespace
}  // namespace rapport

int main(int argc, char** argv) {
  return rapport::run(argc > 1 && std::string(argv[1]) == "--json");
}
