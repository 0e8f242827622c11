#include "rapport/tuning/lora_adapter.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "rapport/language/gguf_reader.h"
#include "rapport/language/gguf_writer.h"

namespace rapport::tuning {
namespace {

constexpr const char* kDown = ".lora_a";
constexpr const char* kUp = ".lora_b";
constexpr const char* kAbout = "rapport.about";
constexpr const char* kBase = "general.base_model.0.name";

tl::unexpected<Error> no_adapter(const std::filesystem::path& path, const std::string& why) {
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} is no LoRA adapter: {}", path.string(), why), "adapter");
}

using Tensor = language::GgufReader::Tensor;

/// Rows and columns; a single row is written without its 1.
std::array<std::int64_t, 2> matrix_shape(const Tensor& tensor) {
  if (tensor.shape.size() == 1) return {1, tensor.shape[0]};
  if (tensor.shape.size() == 2) return {tensor.shape[0], tensor.shape[1]};
  return {0, 0};
}

}  // namespace

Result<void> write_adapter(const LoraAdapter& adapter, const std::filesystem::path& path) {
  language::GgufWriter gguf("llama");
  gguf.set_string("general.type", "adapter");
  gguf.set_string("adapter.type", "lora");
  gguf.set_float("adapter.lora.alpha", static_cast<float>(adapter.alpha));
  gguf.set_uint32("general.base_model.count", 1);
  gguf.set_string(kBase, adapter.base);
  gguf.set_string(kAbout, adapter.about.dump());
  using language::WeightType;
  for (const LoraMatrix& matrix : adapter.matrices) {
    TRY_VOID(gguf.add_tensor(matrix.tensor + kDown, {adapter.rank, matrix.in}, WeightType::kF32,
                             [&] { return matrix.down; }));
    TRY_VOID(gguf.add_tensor(matrix.tensor + kUp, {matrix.out, adapter.rank}, WeightType::kF32,
                             [&] { return matrix.up; }));
  }
  return gguf.write(path);
}

Result<LoraAdapter> read_adapter(const std::filesystem::path& path) {
  TRY(const auto gguf, language::GgufReader::open(path));
  if (gguf.text("general.type") != "adapter" || gguf.text("adapter.type") != "lora")
    return no_adapter(path, "its metadata says something else");
  LoraAdapter adapter{.alpha = gguf.number("adapter.lora.alpha").value_or(0),
                      .base = gguf.text(kBase).value_or(""),
                      .matrices = {}};
  if (!(adapter.alpha > 0)) return no_adapter(path, "it has no adapter.lora.alpha");
  for (const auto& tensor : gguf.tensors()) {
    if (!tensor.name.ends_with(kDown)) continue;
    const std::string name = tensor.name.substr(0, tensor.name.size() - std::string(kDown).size());
    const auto up = std::ranges::find(gguf.tensors(), name + kUp, &Tensor::name);
    const auto [rank, in] = matrix_shape(tensor);
    const auto [out, up_rank] =
        up == gguf.tensors().end() ? std::array<std::int64_t, 2>{} : matrix_shape(*up);
    if (rank < 1 || rank != up_rank || (adapter.rank != 0 && adapter.rank != rank))
      return no_adapter(path, fmt::format("the matrices of {} do not fit each other", name));
    adapter.rank = rank;
    LoraMatrix matrix{.tensor = name, .in = in, .out = out};
    TRY(matrix.down, gguf.read_floats(name + kDown, tensor.shape));
    TRY(matrix.up, gguf.read_floats(name + kUp, up->shape));
    adapter.matrices.push_back(std::move(matrix));
  }
  if (adapter.matrices.empty()) return no_adapter(path, "it has no matrices");
  if (const auto about = gguf.text(kAbout)) {
    if (auto parsed = base::parse_json(*about, path.string()); parsed && parsed->is_object())
      adapter.about = *std::move(parsed);
  }
  return adapter;
}

}  // namespace rapport::tuning
