// The families of features that a ranker reads without a language model (features.h). docs/palr.md
// lists them; `rapport palr train --json` prints those of a run.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "rapport/data/dataset.h"
#include "rapport/palr/features.h"
#include "rapport/retrieval/item_embeddings.h"

namespace rapport::palr {

/// Of each source the score and log(1 + rank), how many sources have the candidate among their best
/// and its best place. `sources` are those that the pools were made of.
FeatureFamily retriever_features(std::span<const CandidateSource> sources);

/// How often and in whose company the candidate was taken, in the training parts alone: popularity,
/// what followed the newest items, what went along with the history; the history's length. Counts
/// below `popularity_floor` count as that: in a k-core an item that was trained on seldom was held
/// out often, so the count itself would tell. 1 lets it, for an ablation.
FeatureFamily interaction_features(const data::Dataset& dataset, std::int64_t popularity_floor);

/// How alike candidate and history read (retrieval/text_features.h); empty where no item has text.
/// Errors: those of text_features.
Result<FeatureFamily> text_similarity_features(const data::Dataset& dataset,
                                               retrieval::TrainingThreads& threads);

/// The same by the products of embeddings.
FeatureFamily embedding_features(std::shared_ptr<const retrieval::ItemEmbeddings> vectors);
/// Its features.
inline constexpr std::string_view kEmbeddingFeatures[] = {"embedding_newest", "embedding_second",
                                                          "embedding_third", "embedding_history",
                                                          "embedding_most"};

/// Brand, categories and year beside those of the history; only of what the catalogue has.
FeatureFamily attribute_features(const data::Dataset& dataset);

/// Price and sales rank, which may be of a time after the interactions: only on request. Empty
/// where the catalogue has neither.
FeatureFamily metadata_features(const data::Dataset& dataset);

/// The items of a history that count, newest first, with the weight that falls from one to the one
/// before it: 1, .7, .49, … of up to 20.
inline constexpr float kHistoryDecay = 0.7f;
inline constexpr std::size_t kHistoryRead = 20;

}  // namespace rapport::palr
