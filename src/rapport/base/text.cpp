#include "rapport/base/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

namespace rapport::base {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// One character at the front of a text, or one ill-formed byte.
struct Character {
  utf8proc_int32_t code = -1;  // -1: ill-formed
  std::size_t size = 1;        // bytes
};

/// `bytes` is not empty.
Character front(std::string_view bytes) {
  const auto first = static_cast<unsigned char>(bytes[0]);
  if (first < 0x80) return {first, 1};
  utf8proc_int32_t code = -1;
  // Four bytes hold any character; the bound keeps the length within the library's signed type.
  const utf8proc_ssize_t size = utf8proc_iterate(
      reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()),
      static_cast<utf8proc_ssize_t>(std::min<std::size_t>(bytes.size(), 4)), &code);
  return size > 0 ? Character{code, static_cast<std::size_t>(size)} : Character{};
}

/// Bytes of the character that `first` begins, 1 when it begins none.
std::size_t expected_size(unsigned char first) {
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 1;
}

bool may_follow(unsigned char first, unsigned char second) {
  switch (first) {
    case 0xE0: return second >= 0xA0 && second <= 0xBF;  // shorter would be overlong
    case 0xED: return second >= 0x80 && second <= 0x9F;  // beyond are surrogates
    case 0xF0: return second >= 0x90 && second <= 0xBF;  // shorter would be overlong
    case 0xF4: return second >= 0x80 && second <= 0x8F;  // beyond is above U+10FFFF
    default: return second >= 0x80 && second <= 0xBF;
  }
}

/// `text` is well-formed.
std::string map(std::string_view text, int options) {
  utf8proc_uint8_t* mapped = nullptr;
  const utf8proc_ssize_t size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                             static_cast<utf8proc_ssize_t>(text.size()), &mapped,
                                             static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owned(mapped, &std::free);
  if (size < 0) throw std::bad_alloc();  // the only fault left for well-formed text
  return {reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size)};
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// What `words` needs to know of a character.
enum class WordClass {
  kOther,
  kLetter,
  kDigit,
  kMark,       // joins the word it follows
  kJoiner,     // joins two letters
  kIdeograph,  // a word of its own
};

bool is_between(utf8proc_int32_t code, utf8proc_int32_t first, utf8proc_int32_t last) {
  return code >= first && code <= last;
}

/// Scripts that write no spaces and whose characters UAX #29 takes for words of their own.
bool is_ideograph(utf8proc_int32_t code) {
  return is_between(code, 0x4E00, 0x9FFF) ||    // CJK Unified Ideographs
         is_between(code, 0x3041, 0x309F) ||    // Hiragana
         is_between(code, 0x3400, 0x4DBF) ||    // Extension A
         is_between(code, 0xF900, 0xFAFF) ||    // Compatibility Ideographs
         is_between(code, 0x20000, 0x3FFFD) ||  // Extensions B and on
         code == 0x3005 || code == 0x3007;      // iteration mark, zero
}

bool is_joiner(utf8proc_int32_t code) {
  switch (code) {
    case '\'':
    case '-':
    case 0x2019:  // right single quotation mark: the typographic apostrophe
    case 0x2010:  // hyphen
    case 0x2011:  // non-breaking hyphen
    case 0x00AD:  // soft hyphen
    case 0x200C:  // zero width non-joiner: Persian writes it inside words
    case 0x200D:  // zero width joiner
      return true;
    default: return false;
  }
}

WordClass word_class(utf8proc_int32_t code) {
  if (code < 0) return WordClass::kOther;
  if (is_joiner(code)) return WordClass::kJoiner;
  if (is_ideograph(code)) return WordClass::kIdeograph;
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return WordClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL: return WordClass::kDigit;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return WordClass::kMark;
    default: return WordClass::kOther;
  }
}

bool is_white_space(utf8proc_int32_t code) {
  if (is_between(code, 0x09, 0x0D) || code == 0x85) return true;
  if (code < 0x20) return false;
  const utf8proc_category_t category = utf8proc_category(code);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

/// The character that ends `bytes`, which is not empty.
Character back(std::string_view bytes) {
  for (std::size_t size = 1; size <= 4 && size <= bytes.size(); ++size) {
    const Character character = front(bytes.substr(bytes.size() - size));
    if (character.code >= 0 && character.size == size) return character;
  }
  return {};
}

}  // namespace

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Character character = front(bytes);
    if (character.code < 0) return false;
    bytes.remove_prefix(character.size);
  }
  return true;
}

std::string to_valid_utf8(std::string_view bytes) {
  std::string valid;
  valid.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = front(bytes);
    valid += character.code < 0 ? kReplacement : bytes.substr(0, character.size);
    bytes.remove_prefix(character.size);
  }
  return valid;
}

std::size_t incomplete_utf8_tail(std::string_view bytes) {
  for (std::size_t size = 1; size <= 3 && size <= bytes.size(); ++size) {
    const std::string_view tail = bytes.substr(bytes.size() - size);
    const auto first = static_cast<unsigned char>(tail[0]);
    if ((first & 0xC0) == 0x80) continue;  // inside a character: look further back for its start
    const bool can_be_completed =
        expected_size(first) > size &&
        (size == 1 || may_follow(first, static_cast<unsigned char>(tail[1])));
    return can_be_completed ? size : 0;
  }
  return 0;
}

Result<std::string> nfc(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  if (!is_utf8(text))
    return fail(ErrorCode::kInvalidArgument, "the text is not UTF-8: send it as UTF-8");
  return map(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

std::string fold_case(std::string_view text) {
  if (is_ascii(text)) {
    std::string folded(text);
    for (char& c : folded)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return folded;
  }
  // Decomposed first: folding turns the mark U+0345 into a letter, past which other marks would not
  // be put in order any more, and equal texts would come out different (Unicode, D145).
  const std::string decomposed =
      map(is_utf8(text) ? text : to_valid_utf8(text), UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
  return map(decomposed, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t start = kNone;  // of the word being read
  std::size_t end = 0;        // of it, without a joiner that may turn out to follow the word
  bool is_whole = false;      // it is an ideograph: only marks may still join it
  bool after_letter = false;  // the last character of the word is a letter or its mark
  bool after_joiner = false;  // a joiner came since, and only a letter may follow
  const auto finish = [&] {
    if (start != kNone) found.push_back(text.substr(start, end - start));
    start = kNone;
    is_whole = after_letter = after_joiner = false;
  };
  for (std::size_t at = 0; at < text.size();) {
    const Character character = front(text.substr(at));
    const std::size_t next = at + character.size;
    switch (word_class(character.code)) {
      case WordClass::kLetter:
        if (is_whole) finish();
        if (start == kNone) start = at;
        end = next;
        after_letter = true;
        after_joiner = false;
        break;
      case WordClass::kDigit:
        if (is_whole || after_joiner) finish();
        if (start == kNone) start = at;
        end = next;
        after_letter = false;
        break;
      case WordClass::kMark:
        if (after_joiner || start == kNone) {
          finish();
        } else {
          end = next;
        }
        break;
      case WordClass::kJoiner:
        if (after_letter && !after_joiner) {
          after_joiner = true;
        } else {
          finish();
        }
        break;
      case WordClass::kIdeograph:
        finish();
        start = at;
        end = next;
        is_whole = true;
        break;
      case WordClass::kOther: finish(); break;
    }
    at = next;
  }
  finish();
  return found;
}

std::string_view truncate(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t boundary = 0;  // the last place within the bound where a grapheme begins
  utf8proc_int32_t previous = -1;
  utf8proc_int32_t state = 0;
  for (std::size_t at = 0; at <= max_bytes;) {
    const Character character = front(text.substr(at));
    // An ill-formed byte stands alone.
    const bool breaks = previous < 0 || character.code < 0 ||
                        utf8proc_grapheme_break_stateful(previous, character.code, &state);
    if (previous < 0 || character.code < 0) state = 0;
    if (breaks) boundary = at;
    previous = character.code;
    at += character.size;
  }
  return text.substr(0, boundary);
}

std::string_view trim(std::string_view text) {
  while (!text.empty()) {
    const Character character = front(text);
    if (!is_white_space(character.code)) break;
    text.remove_prefix(character.size);
  }
  while (!text.empty()) {
    const Character character = back(text);
    if (!is_white_space(character.code)) break;
    text.remove_suffix(character.size);
  }
  return text;
}

}  // namespace rapport::base
