#include "rapport/engine/recommend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "rapport/engine/recommend_steps.h"
#include "rapport/engine/wish_text.h"

namespace rapport::engine {

void RecommendOptions::describe(base::OptionSet& set) {
  set.add("recommend.dataset", dataset,
          "the data set to recommend from: a name in $RAPPORT_HOME/datasets, or a path; empty: the "
          "demo's when it is there");
  set.add("recommend.model", model,
          "kind of model that ranks, in $RAPPORT_HOME/retrievers/DATASET/MODEL, or \"popularity\"");
  set.add("recommend.train", train, "train that model in the background when it is not there");
  set.add("recommend.train_threads", train_threads,
          "threads of that training, so that answers do not wait for it; 0: one a core", 0, 1'024);
  set.add("recommend.index_from", index_from,
          "a catalogue of so many items is looked up in an approximate index instead of scored "
          "whole",
          1, std::numeric_limits<std::int32_t>::max());
  set.add("recommend.ranking", ranking,
          "learned: what several models propose is ordered by a ranker, in "
          "$RAPPORT_HOME/rankers/DATASET, which with recommend.train is learned in the background; "
          "none: the order is the model's own; or a directory that rapport palr train wrote");
  set.add("recommend.beside", beside,
          "kinds of models that propose beside recommend.model when a ranker is learned");
  set.add("recommend.ranking_ms", ranking_ms,
          "milliseconds after which a list goes out in the model's own order, no further step of "
          "the ranking being begun",
          1, 60'000);
  set.add("recommend.domain", domain,
          fmt::format("what the catalogue holds, so that chat knows when it is asked for one: {}",
                      fmt::join(recommendation_domains(), ", ")));
  set.add("recommend.chat", chat,
          "answer chat messages such as \"what should I watch tonight?\" from the catalogue");
  set.add("recommend.max_items", max_items, "upper bound of a request's k", 1, 1'000);
  set.add("recommend.candidates", candidates, "items retrieved before they are ranked", 10, 10'000);
  set.add("recommend.history", history, "items of a user's history that count, those met last", 1,
          10'000);
  set.add("recommend.diversity", diversity,
          "how much unlikeness within a list counts against its scores; 0: not at all", 0, 1);
  set.add("recommend.favourite_weight", favourite_weight,
          "what a favourite category adds, in standard deviations of the scores", 0, 100);
  set.add("recommend.interest_weight", interest_weight,
          "what the categories of a history add while popularity ranks", 0, 100);
  set.add("recommend.mood_weight", mood_weight,
          "what a category adds that goes with a mood asked for (\"something lighter\"), and takes "
          "that goes against it",
          0, 100);
}

namespace {

// Ends the step before and begins the next.
class StepClock {
 public:
  StepClock(std::vector<StepTime>& steps, const base::Clock& clock)
      : steps_(steps), clock_(clock), began_(clock.steady()) {}
  void begin(const char* step) {
    end();
    steps_.push_back({step, 0});
  }
  void end() {
    const auto now = clock_.steady();
    if (!steps_.empty()) {
      steps_.back().milliseconds = std::chrono::duration<double, std::milli>(now - began_).count();
    }
    began_ = now;
  }

 private:
  std::vector<StepTime>& steps_;
  const base::Clock& clock_;
  std::chrono::steady_clock::time_point began_;
};

constexpr std::int64_t kUsualLength = 10;

Result<void> check_k(std::int64_t k, std::int64_t max_items) {
  if (k >= 1 && k <= max_items) return {};
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("k is {}: it must be from 1 to {}", k, max_items), "k");
}

Recommendation answer(const RecommendationTrace& trace) {
  return {.id = trace.response_id,
          .catalogue = trace.served->name(),
          .model = trace.model,
          .ranker = trace.ranked ? std::string(trace.served->ranking()->kind()) : "",
          .degree = trace.permit.degree,
          .items = trace.items,
          .created = trace.created};
}

}  // namespace

Recommender::Recommender(RecommendOptions options, profile::Degree default_degree,
                         store::Store& store, const store::KeyRing& keys,
                         const CatalogueSlot& catalogues, Attribution& attribution,
                         const base::Clock& clock, base::Random& random)
    : options_(std::move(options)),
      default_degree_(default_degree),
      store_(store),
      keys_(keys),
      catalogues_(catalogues),
      attribution_(attribution),
      clock_(clock),
      random_(random) {}

// A history becomes a ranked, explained list. Each step adds to the trace; the trace is the
// explanation.
Result<Recommendation> Recommender::recommend(const RecommendationRequest& request) {
  const std::int64_t k = request.k.value_or(std::min(kUsualLength, options_.max_items));
  TRY_VOID(check_k(k, options_.max_items));
  RecommendationTrace trace;
  TRY(trace.served, catalogues_.require());
  const ServedCatalogue& served = *trace.served;
  trace.response_id = random_.id("rec_");
  trace.created = clock_.now();
  trace.domain = request.domain;
  StepClock step(trace.steps, clock_);

  step.begin("identify");
  TRY(trace.as_of, store_.erasure_mark());
  TRY(trace.who, identify(request.caller, keys_));
  step.begin("permit");
  profile::Settings settings;
  if (!trace.who.user.empty()) {
    TRY(const Json stored, store_.settings(trace.who.user));
    TRY(settings, profile::parse_settings(stored));
  }
  trace.permit = permit(trace.who, settings, request.degree, default_degree_);
  step.begin("profile");
  TRY(trace.taste, taste_of(trace.permit, trace.who, request, settings, served, store_, options_,
                            trace.left_out));
  TRY(const Wishes wishes, wishes_of(request, served, options_.domain));
  add_wishes(wishes, served, trace.taste);
  TRY(const Allowed allowed, Allowed::create(request, wishes, trace.taste, served));
  step.begin("retrieve");
  // Of nobody's taste a model of sequences knows nothing.
  const retrieval::Retriever& model =
      trace.taste.sequence.empty() ? served.popularity() : served.model();
  trace.model = model.kind();
  TRY(trace.candidates, retrieve(served, model, trace.taste, allowed, k, options_, trace.left_out));
  step.begin("rank");
  trace.ranked = learned_ranking(served, trace.taste, allowed, trace.candidates, options_, clock_,
                                 trace.left_out);
  rank(trace.candidates, trace.taste, served, reads_history(model), options_);
  step.begin("verify");
  verify(trace.candidates, served, allowed, trace.left_out);
  step.begin("balance");
  // What is generic is plain popularity.
  trace.diversity = trace.permit.settings() || !trace.taste.sequence.empty()
                        ? request.diversity.value_or(options_.diversity)
                        : request.diversity.value_or(0);
  trace.arm = fmt::format("{}{},diversity={:g}", trace.model,
                          trace.ranked ? fmt::format("+{}", served.ranking()->kind()) : "",
                          trace.diversity);
  const auto chosen = balance(trace.candidates, k, trace.diversity, served);
  step.begin("explain");
  TRY(trace.items, explain(chosen, trace.taste, served, model, trace.ranked, request.explain));
  step.end();  // the time of the steps below cannot be in what they write
  if (trace.permit.settings()) {
    TRY_VOID(store_.ensure_user(trace.who.user, trace.who.app, trace.who.name, trace.as_of));
  }
  TRY_VOID(store_.record_exchange(record(trace)));
  learn(trace, attribution_);
  return answer(trace);
}

}  // namespace rapport::engine
