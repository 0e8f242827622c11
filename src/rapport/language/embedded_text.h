// From a model's bytes to text that may leave: whole characters, and nothing that could still
// become a stop string.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace rapport::language {

/// Not thread-safe.
class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stop);

  /// Takes the bytes of one token and returns the text that is now certain, often one token behind.
  /// Ill-formed bytes become U+FFFD. After a stop string nothing more comes.
  std::string push(std::string_view bytes);

  /// What was held back, once no more bytes come; without the bytes of an unfinished character.
  std::string finish();

  /// Bytes as they came that became text so far.
  std::size_t sent_bytes() const { return sent_bytes_; }

  /// True when a stop string has been found: it, and what follows, is not part of the text.
  bool stopped() const { return stopped_; }

 private:
  /// How much of `held_` is certain: bytes before the earliest place where a stop string may begin.
  std::size_t certain() const;
  /// The first `size` bytes of `held_` become text.
  std::string take(std::size_t size);

  std::vector<std::string> stop_;
  std::string held_;
  std::size_t sent_bytes_ = 0;
  bool stopped_ = false;
};

}  // namespace rapport::language
