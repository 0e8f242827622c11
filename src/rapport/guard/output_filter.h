// What a model says passes here before it leaves, piece by piece.
//
//   OutputFilter filter({"<user_facts>", "</user_facts>"});
//   send(filter.push(piece)); …  send(filter.finish());
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rapport::guard {

/// Removes the given marks (a fence that the model repeats) and replaces anything that looks like
/// one of our API keys by "[redacted]". What comes out is the same however the text was cut into
/// pieces; only what could become one of them is held back. Not thread-safe.
class OutputFilter {
 public:
  explicit OutputFilter(std::vector<std::string> marks);

  /// The part of all text so far that is safe to send now.
  std::string push(std::string_view piece);
  /// The rest.
  std::string finish();

  std::int64_t redactions() const { return redactions_; }
  /// Names of the rules that fired, each once: "fence", "api_key".
  std::vector<std::string> rules() const;

 private:
  std::string drain(bool last);

  std::vector<std::string> marks_;
  std::string held_;
  std::int64_t redactions_ = 0;
  bool fence_fired_ = false;
  bool key_fired_ = false;
};

}  // namespace rapport::guard
