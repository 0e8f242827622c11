// The course of a training as a picture: loss and validation NDCG@10 by epoch.
#pragma once

#include <string>

#include "rapport/base/json.h"

namespace rapport::retrieval {

/// An SVG document, self-contained. `curve` is a list of {"epoch", "loss"} with
/// "validation_ndcg@10" where that epoch was evaluated; the best one is marked.
std::string training_curves(const Json& curve);

}  // namespace rapport::retrieval
