// How users and items are numbered inside one data set.
#pragma once

#include <cstdint>

namespace rapport::data {

/// From 0; see dataset.h. -1 is nobody, nothing.
using UserIndex = std::int32_t;
using ItemIndex = std::int32_t;

}  // namespace rapport::data
