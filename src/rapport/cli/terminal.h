// What is asked of a person at the terminal.
#pragma once

#include <string>
#include <string_view>

#include "rapport/base/result.h"

namespace rapport::cli {

/// Asks on the terminal, whatever standard input and output are, and reads a line that is not
/// shown. Errors: kIo where there is no terminal, kCancelled at its end.
Result<std::string> ask_secret(std::string_view question);

}  // namespace rapport::cli
