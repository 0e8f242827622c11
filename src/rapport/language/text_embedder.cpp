#include "rapport/language/text_embedder.h"

#include <cassert>
#include <utility>

namespace rapport::language {

Result<EmbeddingMatrix> TextEmbedder::embed(const std::vector<std::string>& texts) {
  if (texts.empty()) return EmbeddingMatrix{0, dimensions(), {}, 0};
  auto matrix = do_embed(texts);
  assert(!matrix || std::cmp_equal(matrix->rows, texts.size()));
  assert(!matrix || std::cmp_equal(matrix->values.size(), matrix->rows * matrix->columns));
  return matrix;
}

}  // namespace rapport::language
