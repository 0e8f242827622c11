#include "rapport/guard/fence.h"

#include "rapport/base/text.h"

namespace rapport::guard {

std::string fenced_line(std::string_view tag, std::string_view line) {
  std::string text = base::to_valid_utf8(line);
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  // U+2028 and U+2029 break lines too.
  for (const std::string_view separator : {"\u2028", "\u2029"}) {
    for (std::size_t at; (at = text.find(separator)) != std::string::npos;) {
      text.replace(at, separator.size(), " ");
    }
  }
  // Case does not matter to a model, so it must not matter here.
  const std::string folded_tag = base::fold_case(tag);
  if (base::fold_case(text).find(folded_tag) != std::string::npos) {
    for (char& c : text) {
      if (c == '<') c = '(';
      if (c == '>') c = ')';
    }
  }
  return std::string(base::trim(text));
}

std::string fence(std::string_view tag, const std::vector<std::string>& lines) {
  std::string text = "<" + std::string(tag) + ">\n";
  for (const std::string& line : lines) text += fenced_line(tag, line) + "\n";
  return text + "</" + std::string(tag) + ">";
}

}  // namespace rapport::guard
