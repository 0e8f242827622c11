// The seam to sentence vectors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::language {

/// Row-major [rows × columns].
struct EmbeddingMatrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<float> values;
  std::int64_t tokens = 0;  // of all inputs, as the model counted them
};

/// Thread-safe.
class TextEmbedder {
 public:
  virtual ~TextEmbedder() = default;

  /// Each text becomes one row of unit length, [texts × dimensions]. A text longer than the model
  /// reads is an error (kInvalidArgument, param "input[i]"), never silently cut. Blocks until done.
  Result<EmbeddingMatrix> embed(const std::vector<std::string>& texts);
  std::int64_t dimensions() const { return do_dimensions(); }
  std::string id() const { return do_id(); }

 private:
  virtual Result<EmbeddingMatrix> do_embed(const std::vector<std::string>& texts) = 0;
  virtual std::int64_t do_dimensions() const = 0;
  virtual std::string do_id() const = 0;
};

}  // namespace rapport::language
