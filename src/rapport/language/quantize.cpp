#include "rapport/language/quantize.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llama.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/language/gguf_reader.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_files.h"

namespace rapport::language {
namespace {

struct Quantization {
  std::string_view name;
  llama_ftype type;
};

constexpr llama_ftype kAsItIs = LLAMA_FTYPE_GUESSED;
constexpr Quantization kQuantizations[] = {
    {"copy", LLAMA_FTYPE_GUESSED},         {"f32", LLAMA_FTYPE_ALL_F32},
    {"bf16", LLAMA_FTYPE_MOSTLY_BF16},     {"f16", LLAMA_FTYPE_MOSTLY_F16},
    {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},     {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},
    {"q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M}, {"q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S},
    {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},     {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},
    {"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M}, {"q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S},
    {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},     {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
    {"q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M}, {"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K},
};

Result<llama_ftype> find_type(std::string_view type) {
  const std::string wanted = base::fold_case(type);
  for (const Quantization& known : kQuantizations) {
    if (known.name == wanted) return known.type;
  }
  const std::string nearest = base::nearest(wanted, quantization_names());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("\"{}\" is not a quantisation type: {}", type,
                          nearest.empty() ? fmt::format("expected one of {}",
                                                        fmt::join(quantization_names(), ", "))
                                          : fmt::format("did you mean \"{}\"?", nearest)),
              "type");
}

/// llama.cpp's quantiser reports progress only in its log: "[  12/ 272] blk.3.ffn_up.weight - …".
/// Its total counts what is left out too: `kept`, unless 0, is the right one.
void report_line(std::string_view line, std::int64_t kept,
                 const std::function<void(std::int64_t, std::int64_t)>& on_progress) {
  long long done = 0;
  long long total = 0;
  if (std::sscanf(std::string(line).c_str(), "[%lld/%lld]", &done, &total) == 2)
    on_progress(done, kept > 0 ? kept : total);
}

Result<void> put_in_place(const std::string& temporary, const std::string& output) {
  const int file = ::open(temporary.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  const int reason = errno;
  if (file >= 0) ::close(file);
  if (!synced)
    return fail(ErrorCode::kIo,
                fmt::format("{} could not be written to disk: {}", temporary, strerror(reason)));
  std::error_code error;
  std::filesystem::rename(temporary, output, error);
  if (error)
    return fail(ErrorCode::kIo, fmt::format("{} could not be renamed to {}: {}", temporary, output,
                                            error.message()));
  return {};
}

/// What llama.cpp is told to leave out, in its terms.
struct Cut {
  std::vector<std::int32_t> left_out;  // layers, and -1 behind them
  std::array<llama_model_kv_override, 2> renamed = {};
  std::int64_t kept = 0;  // tensors; 0: all
};

Result<Cut> cut_behind(std::int64_t layers, const std::string& input) {
  TRY(const GgufReader gguf, GgufReader::open(input));
  const std::int64_t has = gguf.integer(gguf.architecture() + ".block_count").value_or(0);
  if (layers < 1 || layers > has)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} layers: {} of them cannot be kept", input, has, layers),
                "layers");
  Cut cut;
  for (auto layer = static_cast<std::int32_t>(layers); layer < has; ++layer)
    cut.left_out.push_back(layer);
  cut.left_out.push_back(-1);
  cut.kept = std::ranges::count_if(gguf.tensors(), [&](const GgufReader::Tensor& tensor) {
    int layer = 0;
    return std::sscanf(tensor.name.c_str(), "blk.%d.", &layer) != 1 || layer < layers;
  });
  llama_model_kv_override& name = cut.renamed.front();  // the other one ends the list
  name.tag = LLAMA_KV_OVERRIDE_TYPE_STR;
  const auto write = [](auto& into, const std::string& text) {
    std::copy_n(text.data(), std::min(text.size(), sizeof(into) - 1), into);
  };
  const std::string suffix = fmt::format(", first {} of {} layers", layers, has);
  const std::string whole = gguf.text("general.name").value_or("unnamed");
  write(name.key, "general.name");
  write(name.val_str,
        std::string(base::truncate(whole, sizeof(name.val_str) - 1 - suffix.size())) + suffix);
  return cut;
}

}  // namespace

std::vector<std::string> quantization_names() {
  std::vector<std::string> names;
  for (const Quantization& known : kQuantizations) names.emplace_back(known.name);
  return names;
}

Result<void> quantize(const std::string& input, const std::string& output,
                      const QuantizeOptions& options,
                      std::function<void(std::int64_t, std::int64_t)> on_progress) {
  TRY(const llama_ftype wanted, find_type(options.type));
  TRY_VOID(read_model_file(input));
  TRY_VOID(start_llama_runtime());

  llama_model_quantize_params params = llama_model_quantize_default_params();
  if (wanted != kAsItIs) params.ftype = wanted;
  params.allow_requantize = true;
  params.only_copy = wanted == kAsItIs;
  Cut cut;
  if (options.layers != 0) {
    TRY(cut, cut_behind(options.layers, input));
    params.prune_layers = cut.left_out.data();
    params.kv_overrides = cut.renamed.data();
  }
  const std::string temporary = fmt::format("{}.{}.tmp", output, ::getpid());
  LlamaLogCapture log([&](std::string_view line) {
    if (on_progress) report_line(line, cut.kept, on_progress);
  });
  const bool done = llama_model_quantize(input.c_str(), temporary.c_str(), &params) == 0;
  Result<void> placed =
      done ? put_in_place(temporary, output)
           : Result<void>(fail(ErrorCode::kIo, fmt::format("{} could not be quantised to {}: {}",
                                                           input, output, log.last_error())));
  if (!placed) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
  }
  return placed;
}

}  // namespace rapport::language
