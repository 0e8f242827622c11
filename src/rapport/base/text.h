// UTF-8 text: the only place that knows about encodings and character classes (utf8proc).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::base {

/// True for well-formed UTF-8 (no surrogates, no overlong forms).
bool is_utf8(std::string_view bytes);
/// Each ill-formed byte becomes U+FFFD.
std::string to_valid_utf8(std::string_view bytes);
/// Bytes at the end of `bytes` that begin a character not yet complete (0 to 3): what a stream must
/// hold back.
std::size_t incomplete_utf8_tail(std::string_view bytes);

/// Canonical composition. Errors: kInvalidArgument for ill-formed UTF-8.
Result<std::string> nfc(std::string_view text);
/// NFC after full case folding: for comparing, not for showing. Ill-formed bytes become U+FFFD.
std::string fold_case(std::string_view text);

/// Runs of letters, marks, digits, and apostrophes or hyphens between letters; as views into
/// `text`. A word begins with a letter or digit, so an emoji's variation selector is none. As in
/// UAX #29, each Chinese character and each Hiragana is a word of its own; scripts that need a
/// dictionary (Thai, Khmer) stay in runs. Ill-formed bytes separate.
std::vector<std::string_view> words(std::string_view text);

/// At most `max_bytes`, cut before the grapheme (what a reader takes for one character) that does
/// not fit.
std::string_view truncate(std::string_view text, std::size_t max_bytes);

/// Without white space (Unicode) at either end.
std::string_view trim(std::string_view text);

}  // namespace rapport::base
