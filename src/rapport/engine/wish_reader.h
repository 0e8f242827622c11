// The rules by which words become wishes.
#pragma once

#include <cstddef>

#include "rapport/engine/served_catalogue.h"
#include "rapport/engine/wish_text.h"
#include "rapport/engine/wishes.h"

namespace rapport::engine {

/// What a follow-up says by comparison with the list before it.
struct Compared {
  bool others = false;  // "anything else?"
  bool older = false;   // "older ones"
  bool newer = false;
  bool cheaper = false;
};

/// From the token `from` on. `domain` may be null. With `compared` the text follows up a list, and
/// what it compares is put there.
Wishes read_words(const WishText& text, std::size_t from, const WishDomain* domain,
                  const ServedCatalogue& served, Compared* compared = nullptr);

}  // namespace rapport::engine
