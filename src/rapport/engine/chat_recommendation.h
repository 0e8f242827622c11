// "What should I watch tonight?": chat that asks for a recommendation and nothing else is answered
// from the catalogue, and so is what follows up such a list. A small language model invents titles;
// what is offered here exists by construction, and each offer says why it is made.
//
//   if (const auto asked = asks_catalogue(request, permit, recalled, recommender)) {
//     TRY(const Recommendation list, recommender.recommend(*asked));
//     … in_words(list) …
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "rapport/engine/recommend.h"
#include "rapport/engine/trace.h"

namespace rapport::engine {

/// The recommendation that the last message asks for, by itself or following up a list of ours
/// ("something lighter"). nullopt in doubt (conversation_wishes.h), at degree 0,
/// without a catalogue, when switched off (recommend.chat), for a user who wants another language
/// than English, and where the request wants what only a model can give: tools, JSON,
/// log-probabilities, several choices, stop words, a very short answer.
std::optional<RecommendationRequest> asks_catalogue(const ChatRequest& request,
                                                    const Permit& permit, const Recalled& recalled,
                                                    const Recommender& recommender);

/// The list as an answer, in the pieces that it is streamed in.
std::vector<std::string> in_words(const Recommendation& list);

}  // namespace rapport::engine
