// What a history bears out, in words of the catalogue's: those that it has more often than chance
// would.
//
//   for (const PreferenceKeyword& each : supported_keywords(history, vocabulary, 6)) each.text;
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "rapport/palr/vocabulary.h"

namespace rapport::palr {

struct PreferenceKeyword {
  std::int32_t keyword = 0;  // of the vocabulary
  std::string text, kind;
  double support = 0;  // nats: log-likelihood ratio of the history's share against the catalogue's
  double lift = 0;     // nats: by how much the history makes the language model say it
  std::vector<data::ItemIndex> evidence;  // of the history, oldest first
};

/// What a history bears out, best supported first; at most `count`. Without a language model.
std::vector<PreferenceKeyword> supported_keywords(std::span<const data::ItemIndex> history,
                                                  const Vocabulary& vocabulary, std::int64_t count);

}  // namespace rapport::palr
