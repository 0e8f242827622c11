// Makes a GGUF smaller and faster.
//
//   TRY_VOID(quantize("SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct-q8_0.gguf",
//   {.type = "q8_0"}));
//
// Q4_1 is slow on x86 because llama.cpp has no repacked kernel for it: the same SmolLM2-135M reads
// a prompt 2.4 times as fast as Q8_0, with no further loss. `bench/embedded_benchmark` measures it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rapport/base/result.h"

namespace rapport::language {

/// The type names `quantize` takes: "copy"; in falling size "f32", "bf16", "f16", "q8_0", "q6_k",
/// ….
std::vector<std::string> quantization_names();

struct QuantizeOptions {
  std::string type;  // of the matrices, in upper or lower case; "copy" leaves them as they are
  /// The first ones that are kept; 0: all. A model of fewer has a name of its own ("…, first 8 of
  /// 30 layers"), so that no adapter of the one is taken for the other's. It writes no sense, but
  /// can be tuned to read items.
  std::int64_t layers = 0;
};

/// Writes `input` as `output` with its matrices in another type, also when they are quantised
/// already. The output appears whole or not at all (temporary file beside it, fsync,
/// rename) and replaces what is there. `on_progress` gets tensors done and in all, on the calling
/// thread. Blocks, on all cores. Errors: kInvalidArgument (unknown type: names the nearest; not a
/// GGUF; more layers than it has), kNotFound, kIo.
Result<void> quantize(const std::string& input, const std::string& output,
                      const QuantizeOptions& options,
                      std::function<void(std::int64_t done, std::int64_t total)> on_progress = {});

}  // namespace rapport::language
