// Characters and texts to try things on, encoded without the code under test.
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <string>
#include <vector>

namespace rapport::base {

/// `code` is a Unicode scalar value.
inline std::string encode_utf8(char32_t code) {
  const auto byte = [](char32_t value) { return static_cast<char>(value); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000)
    return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)),
          byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
}

inline bool is_scalar_value(char32_t code) {
  return code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
}

/// Any character, with those more often that make trouble: letters, marks, joiners, emoji, spaces.
inline rc::Gen<char32_t> any_character() {
  const auto in = [](std::uint32_t first, std::uint32_t last) {
    return rc::gen::map(rc::gen::inRange<std::uint32_t>(first, last + 1),
                        [](std::uint32_t code) { return static_cast<char32_t>(code); });
  };
  return rc::gen::weightedOneOf<char32_t>({{6, in(0x20, 0x7E)},
                                           {1, in(0x00, 0x1F)},
                                           {2, in(0xA0, 0x24F)},
                                           {2, in(0x300, 0x36F)},    // combining marks
                                           {1, in(0x370, 0x5FF)},    // Greek, Cyrillic, Hebrew
                                           {1, in(0x900, 0xDFF)},    // Indic scripts
                                           {1, in(0x1100, 0x11FF)},  // Hangul letters
                                           {1, in(0x1E00, 0x1FFF)},
                                           {1, in(0x2000, 0x206F)},  // spaces, joiners, quotes
                                           {1, in(0x3040, 0x9FFF)},
                                           {1, in(0xAC00, 0xD7A3)},
                                           {1, in(0xE000, 0xFFFF)},
                                           {1, in(0x1F1E6, 0x1F1FF)},  // flags
                                           {2, in(0x1F300, 0x1FAFF)},  // emoji
                                           {1, in(0x10000, 0x10FFFF)}});
}

inline rc::Gen<std::string> valid_utf8() {
  return rc::gen::map(rc::gen::container<std::vector<char32_t>>(any_character()),
                      [](const std::vector<char32_t>& characters) {
                        std::string text;
                        for (const char32_t code : characters) text += encode_utf8(code);
                        return text;
                      });
}

inline rc::Gen<std::string> any_bytes() {
  return rc::gen::container<std::string>(rc::gen::arbitrary<char>());
}

/// Valid UTF-8 with some bytes lost or changed.
inline rc::Gen<std::string> nearly_utf8() {
  return rc::gen::apply(
      [](std::string text, std::size_t at, char byte, bool drop) {
        if (!text.empty()) {
          at %= text.size();
          if (drop) {
            text.erase(at, 1);
          } else {
            text[at] = byte;
          }
        }
        return text;
      },
      valid_utf8(), rc::gen::inRange<std::size_t>(0, 1000), rc::gen::arbitrary<char>(),
      rc::gen::arbitrary<bool>());
}

}  // namespace rapport::base
