#include "rapport/language/quantize.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llama.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "rapport/base/config.h"
#include "rapport/base/text.h"
#include "rapport/language/llama_runtime.h"
#include "rapport/language/model_files.h"

namespace rapport::language {
namespace {

struct Quantization {
  std::string_view name;
  llama_ftype type;
};

constexpr Quantization kQuantizations[] = {
    {"f32", LLAMA_FTYPE_ALL_F32},          {"bf16", LLAMA_FTYPE_MOSTLY_BF16},
    {"f16", LLAMA_FTYPE_MOSTLY_F16},       {"q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
    {"q6_k", LLAMA_FTYPE_MOSTLY_Q6_K},     {"q5_k_m", LLAMA_FTYPE_MOSTLY_Q5_K_M},
    {"q5_k_s", LLAMA_FTYPE_MOSTLY_Q5_K_S}, {"q5_1", LLAMA_FTYPE_MOSTLY_Q5_1},
    {"q5_0", LLAMA_FTYPE_MOSTLY_Q5_0},     {"q4_k_m", LLAMA_FTYPE_MOSTLY_Q4_K_M},
    {"q4_k_s", LLAMA_FTYPE_MOSTLY_Q4_K_S}, {"q4_1", LLAMA_FTYPE_MOSTLY_Q4_1},
    {"q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},     {"q3_k_m", LLAMA_FTYPE_MOSTLY_Q3_K_M},
    {"q2_k", LLAMA_FTYPE_MOSTLY_Q2_K},
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
void report_line(std::string_view line,
                 const std::function<void(std::int64_t, std::int64_t)>& on_progress) {
  long long done = 0;
  long long total = 0;
  if (std::sscanf(std::string(line).c_str(), "[%lld/%lld]", &done, &total) == 2)
    on_progress(done, total);
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

}  // namespace

std::vector<std::string> quantization_names() {
  std::vector<std::string> names;
  for (const Quantization& known : kQuantizations) names.emplace_back(known.name);
  return names;
}

Result<void> quantize(const std::string& input, const std::string& output, std::string_view type,
                      std::function<void(std::int64_t, std::int64_t)> on_progress) {
  TRY(const llama_ftype wanted, find_type(type));
  TRY_VOID(read_model_file(input));
  TRY_VOID(start_llama_runtime());

  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = wanted;
  params.allow_requantize = true;
  const std::string temporary = fmt::format("{}.{}.tmp", output, ::getpid());
  LlamaLogCapture log([&](std::string_view line) {
    if (on_progress) report_line(line, on_progress);
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
