// What holds for every reader of a source, whatever its files hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "rapport/data/source.h"

namespace rapport::fuzz {

/// Cuts `bytes` at each line "=== NAME" into files ("interactions" up to the first, then NAME:
/// items, users, user_map, graph, links), reads them and prepares what they hold. Either way the
/// outcome is whole: an error that names a file, or a data set that keeps every bound.
void read_source(data::Format format, std::string_view bytes);

}  // namespace rapport::fuzz
