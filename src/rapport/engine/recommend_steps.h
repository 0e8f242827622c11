// The steps of a recommendation, one function each; recommend.cpp calls them in order. Pure but for
// the store that `profile` reads. The first two, identify and permit, are those of a chat request
// (steps.h).
#pragma once

#include <string>
#include <vector>

#include "rapport/engine/moods.h"
#include "rapport/engine/recommend.h"
#include "rapport/engine/steps.h"
#include "rapport/engine/wishes.h"

namespace rapport::engine {

/// One item of the history that a list rests on.
struct HistoryItem {
  data::ItemIndex item = 0;
  store::InteractionKind kind = store::InteractionKind::kView;
  std::optional<double> value = {};
  std::string interaction = {};  // its id; "" of a history that came with the request
  bool named = false;            // by the request: "like Fargo"
};

/// How much of the history is of a category, recent items counting more; in [0, 1].
struct Interest {
  CategoryIndex category = 0;
  double share = 0;
};

/// Step 3: what is known of the user's taste, as far as the permit goes.
struct Taste {
  std::vector<HistoryItem> history;       // liked or looked at: oldest first, each item once
  std::vector<data::ItemIndex> sequence;  // the items of the same: what the model reads
  std::vector<data::ItemIndex> seen;      // all they know, as far as the permit tells
  std::vector<data::ItemIndex> hidden;
  std::vector<CategoryIndex> favourites;  // settings
  std::vector<CategoryIndex> avoided;
  std::vector<Interest> interests;  // strongest first
  std::vector<Mood> moods;          // asked for
};

/// What may be recommended to this user in this request: filters, wishes, settings and what was
/// hidden, as one question about an item.
class Allowed {
 public:
  /// `wishes` are what `wishes_of` read of the request; `served` must outlive it. Errors:
  /// kInvalidArgument naming an unknown item, category or brand.
  static Result<Allowed> create(const RecommendationRequest& request, const Wishes& wishes,
                                const Taste& taste, const ServedCatalogue& served);
  /// nullptr when it may be; otherwise why not, in words.
  const char* refuses(data::ItemIndex item) const;

 private:
  const ServedCatalogue* served_ = nullptr;
  std::vector<const char*> refused_;       // [items]: hidden, seen, excluded
  std::vector<CategoryIndex> wanted_;      // any of them, by the filters
  std::vector<CategoryIndex> wished_;      // and any of these, by the query
  std::vector<CategoryIndex> unwanted_;    // none of them
  std::vector<CategoryIndex> avoided_;     // by setting
  std::vector<BrandIndex> brands_;         // any of them, by the filters
  std::vector<BrandIndex> wished_brands_;  // and any of these, by the query
  std::vector<BrandIndex> without_brands_;
  std::optional<std::int32_t> year_from_;
  std::optional<std::int32_t> year_to_;
  std::optional<double> price_from_;
  std::optional<double> price_to_;
};

struct Candidate {
  data::ItemIndex item = 0;
  double score = 0;  // the model's own; the ranker's where one was learned
  double fused = 0;  // of rank: what the list is ordered by
};

/// Of exposures of lists.
inline constexpr const char* kRecommendPolicy = "recommend";

struct RecommendationTrace {
  std::string response_id;
  Identity who;
  Permit permit;
  std::string domain;
  std::shared_ptr<const ServedCatalogue> served;
  Taste taste;
  std::string model;                       // the retriever's kind
  std::optional<palr::RankedList> ranked;  // where a learned ranker ordered the candidates
  std::vector<Candidate> candidates;       // after verify
  double diversity = 0;
  std::string arm;        // what was chosen of all ways to make a list: "sasrec,diversity=0.3"
  double propensity = 1;  // nothing is left to chance so far
  std::vector<RecommendedItem> items;
  std::vector<LeftOut> left_out;
  std::vector<StepTime> steps;
  base::UnixMillis created = 0;
  store::ErasureMark as_of = 0;  // the erasures done when the request began
};

/// Step 3. Settings from degree 1, and what was hidden, liked or rated, so that it is not offered
/// again; taste is read from the history, from degree 2.
Result<Taste> taste_of(const Permit& permit, const Identity& who,
                       const RecommendationRequest& request, const profile::Settings& settings,
                       const ServedCatalogue& served, store::Store& store,
                       const RecommendOptions& options, std::vector<LeftOut>& left_out);

/// Of a history of item ids, oldest first. Errors: kInvalidArgument naming an unknown one, with
/// `remedy` where no other comes near.
Result<Taste> taste_of_given(const std::vector<std::string>& history, const ServedCatalogue& served,
                             std::string_view remedy);

/// Also of step 3: what the request's query says in words, with its `like` and `mood`. `domain` is
/// RecommendOptions::domain. Errors: kInvalidArgument naming a word that no rule reads, an unknown
/// item or an unknown mood.
Result<Wishes> wishes_of(const RecommendationRequest& request, const ServedCatalogue& served,
                         std::string_view domain);

/// The items named become the newest of the history, so that the model reads them last, and are no
/// candidates; moods are kept for the ranking.
void add_wishes(const Wishes& wishes, const ServedCatalogue& served, Taste& taste);

/// Step 4. The model's best `options.candidates` of what is allowed, and, so that a setting or an
/// interest has something to choose from, the best few of each favourite category and of those that
/// go with a mood (and of the strongest interests, while a model serves that reads no history).
/// What scored high enough and is not allowed is counted in `left_out`.
Result<std::vector<Candidate>> retrieve(const ServedCatalogue& served,
                                        const retrieval::Retriever& model, const Taste& taste,
                                        const Allowed& allowed, std::int64_t k,
                                        const RecommendOptions& options,
                                        std::vector<LeftOut>& left_out);

/// Step 5, its first half, where a ranker was learned and something of the user's history is known:
/// what its other retrievers propose joins the candidates, and all have its scores. None, and the
/// candidates as they were, where that takes longer than `options.ranking_ms` or fails; `left_out`
/// says so.
std::optional<palr::RankedList> learned_ranking(const ServedCatalogue& served, const Taste& taste,
                                                const Allowed& allowed,
                                                std::vector<Candidate>& candidates,
                                                const RecommendOptions& options,
                                                const base::Clock& clock,
                                                std::vector<LeftOut>& left_out);

/// Step 5, the other half. Scores in standard deviations, plus the weights of favourites, moods and
/// interests; best first, among equals the lower number.
void rank(std::vector<Candidate>& candidates, const Taste& taste, const ServedCatalogue& served,
          bool reads_history, const RecommendOptions& options);

/// Step 6. Nothing leaves that is not in the catalogue, not allowed or there already, whichever
/// step proposed it.
void verify(std::vector<Candidate>& candidates, const ServedCatalogue& served,
            const Allowed& allowed, std::vector<LeftOut>& left_out);

/// Step 7. The first `k` by maximal marginal relevance (Carbonell and Goldstein 1998): each next
/// item is worth (1 − diversity) of its rank's score less `diversity` of its similarity, by
/// categories, to the nearest one chosen. 0 keeps the order.
std::vector<Candidate> balance(const std::vector<Candidate>& candidates, std::int64_t k,
                               double diversity, const ServedCatalogue& served);

/// Step 8. Why each is there.
Result<std::vector<RecommendedItem>> explain(const std::vector<Candidate>& chosen,
                                             const Taste& taste, const ServedCatalogue& served,
                                             const retrieval::Retriever& model,
                                             const std::optional<palr::RankedList>& ranked,
                                             bool influence);

/// Step 9. All that the finished trace leaves behind, for one transaction.
store::Exchange record(const RecommendationTrace& trace);
/// The explanation as the API returns it. Of nobody in particular, or at degree 0, it holds nothing
/// of anybody's history.
Json explanation(const RecommendationTrace& trace);

/// Step 10. What was shown, so that what the user does next is its reward.
void learn(const RecommendationTrace& trace, Attribution& attribution);

/// True for a model whose scores depend on the history.
bool reads_history(const retrieval::Retriever& model);

}  // namespace rapport::engine
