// The models that scripts/reference/sasrec_reference.py worked out in NumPy.
#pragma once

#include <string>
#include <vector>

#include "rapport/base/json.h"
#include "rapport/data/indexes.h"
#include "rapport/retrieval/sasrec.h"

namespace rapport::retrieval {

struct ReferenceSequence {
  std::vector<data::ItemIndex> inputs;
  std::vector<std::int32_t> targets;
  std::vector<float> hidden;       // [inputs × dimension]
  std::vector<float> last_logits;  // [items]
};

struct ReferenceModel {
  std::string name;
  SasrecShape shape;
  std::vector<float> weights;    // as sasrec_weights lays them
  std::vector<float> gradients;  // of the mean loss, laid the same
  std::vector<ReferenceSequence> sequences;
  double loss = 0;  // mean over positions
};

std::vector<ReferenceModel> reference_models();

/// The largest difference, over the largest absolute value of `expected`.
double relative_error(std::span<const float> actual, std::span<const float> expected);

}  // namespace rapport::retrieval
