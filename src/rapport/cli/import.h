// What `rapport import` and `rapport users import` share.
#pragma once

#include <string>

#include "rapport/cli/command_line.h"

namespace rapport::cli {

/// An export of Rapport's; `user` "": under the names that it was exported with.
Result<void> import_archive(Context& context, const std::string& file, const std::string& app,
                            const std::string& user);

}  // namespace rapport::cli
