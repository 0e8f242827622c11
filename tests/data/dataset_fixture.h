// A data set small enough to be read here in one look.
#pragma once

#include "rapport/data/dataset.h"

namespace rapport::data {

/// Users "ann" (four items), "ben" (three), "cid" (two); items "a" to "e".
DatasetParts small_parts();
Dataset small_dataset();

}  // namespace rapport::data
