#include "rapport/engine/moods.h"

#include <algorithm>
#include <utility>

#include "rapport/base/text.h"

namespace rapport::engine {
namespace {

using Names = std::vector<std::string_view>;

struct KnownMood {
  Names words;
  Names raised, lowered;  // categories; each counts only where the catalogue has it
};

const std::vector<KnownMood>& known_moods() {
  static const std::vector<KnownMood> table = {
      {{"light", "lighter", "lighthearted", "light-hearted", "cheerful", "fun", "happy", "happier",
        "uplifting", "feel-good", "upbeat"},
       {"comedy", "animation", "children's", "musical", "romance"},
       {"horror", "thriller", "war", "crime", "film-noir"}},
      {{"dark", "darker", "grim", "gloomy", "bleak"},
       {"crime", "film-noir", "thriller", "horror", "mystery"},
       {"comedy", "children's", "animation", "musical"}},
      {{"exciting", "thrilling", "gripping", "suspenseful", "tense", "fast", "faster",
        "fast-paced"},
       {"action", "thriller", "adventure"},
       {"documentary", "romance"}},
      {{"relaxing", "calm", "calmer", "quiet", "quieter", "gentle", "gentler", "slow", "slower"},
       {"comedy", "romance", "documentary", "musical"},
       {"action", "horror", "thriller", "war"}},
      {{"sad", "sadder", "moving", "touching", "emotional"},
       {"drama", "romance", "war"},
       {"comedy", "action", "horror"}},
      {{"serious", "thoughtful", "thought-provoking", "deep", "deeper"},
       {"drama", "documentary", "war"},
       {"comedy", "children's", "animation", "musical"}},
      {{"family-friendly", "child-friendly", "harmless"},
       {"children's", "animation"},
       {"horror", "thriller", "crime", "war"}},
  };
  return table;
}

std::vector<CategoryIndex> those_of(const Names& names, const ServedCatalogue& served) {
  std::vector<CategoryIndex> found;
  for (const std::string_view name : names)
    if (const auto category = served.find_category(name)) found.push_back(*category);
  std::ranges::sort(found);
  return found;
}

std::optional<Mood> mood_of(std::string_view word, const ServedCatalogue& served) {
  for (const KnownMood& known : known_moods()) {
    if (std::ranges::find(known.words, word) == known.words.end()) continue;
    Mood mood{std::string(word), those_of(known.raised, served), those_of(known.lowered, served)};
    // A shop that happens to have one of the words among its categories knows no moods.
    if (mood.raised.size() < 2) return std::nullopt;
    return mood;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Mood> find_mood(std::string_view words, const ServedCatalogue& served) {
  const std::string folded = base::fold_case(base::trim(words));
  constexpr std::string_view kLess = "less ";
  if (!folded.starts_with(kLess)) return mood_of(folded, served);
  const std::string_view word = std::string_view(folded).substr(kLess.size());
  auto mood = mood_of(word, served);
  if (mood) {
    std::swap(mood->raised, mood->lowered);
  } else if (const auto category = served.find_category(word)) {
    mood = Mood{.words = {}, .raised = {}, .lowered = {*category}};
  }
  if (mood) mood->words = folded;
  return mood;
}

std::vector<std::string> mood_words(const ServedCatalogue& served) {
  std::vector<std::string> words;
  for (const KnownMood& known : known_moods())
    for (const std::string_view word : known.words)
      if (mood_of(word, served)) words.emplace_back(word);
  return words;
}

}  // namespace rapport::engine
