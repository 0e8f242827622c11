// What somebody wants who goes on where a list left off: "something lighter", "no horror, please",
// "older ones", "anything else?".
//
//   if (const auto found = read_conversation(messages, "films", served))
//     … found->wishes, and none of found->offered
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "rapport/engine/wishes.h"
#include "rapport/language/language_model.h"

namespace rapport::engine {

/// What a user and we have come to in a conversation.
struct ConversationWishes {
  Wishes wishes;
  std::vector<data::ItemIndex> offered;  // in it so far
};

/// What the last message wishes for, which is a request as read_recommendation_request knows it, or
/// follows up a list that we offered and asks nothing else ("something lighter", "no horror
/// please", "older ones", "anything else?"). What is said later replaces what contradicts it; the
/// rest holds on. English.
std::optional<ConversationWishes> read_conversation(
    const std::vector<language::ChatMessage>& messages, std::string_view domain,
    const ServedCatalogue& served);

/// What our lists in a conversation begin with; the second where nothing fits. By these a follow-up
/// knows them again.
inline constexpr std::string_view kListOpening = "Here is what I would pick for you:";
inline constexpr std::string_view kNothingFits = "Nothing in the catalogue ";

}  // namespace rapport::engine
