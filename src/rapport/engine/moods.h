// "Something lighter": what people say of how a thing should feel, as the categories of a catalogue
// that go with it and those that do not. A mood is no filter: it moves items up and down.
//
//   if (const auto mood = find_mood("less dark", served)) … mood->raised …
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/engine/served_catalogue.h"

namespace rapport::engine {

struct Mood {
  std::string words;                   // "lighter", "less dark"
  std::vector<CategoryIndex> raised;   // sorted
  std::vector<CategoryIndex> lowered;  // sorted
};

/// Words as `mood_words` has them, "less" in front for the contrary; a category's name, too, may
/// stand behind "less". None where the
/// word is no mood, or the catalogue has fewer than two of the categories that go with it.
std::optional<Mood> find_mood(std::string_view words, const ServedCatalogue& served);

/// Those that this catalogue knows.
std::vector<std::string> mood_words(const ServedCatalogue& served);

}  // namespace rapport::engine
