// A llama-architecture language model in libtorch: what a LoRA is trained through. The weights are
// frozen and f32; texts are packed side by side.
//
//   TRY(const LlamaNetwork network, LlamaNetwork::load(path));
//   const PackedTexts texts(examples);
//   Tensor hidden = network.embed(texts);
//   hidden = network.run(hidden, texts.packing, 0, network.shape().layers, lora);
//   Tensor logits = network.logits(hidden);               // [answer tokens × vocabulary]
//
// Source: Touvron et al. 2023; the order of numbers within a head is llama.cpp's, whose files it
// reads.
#pragma once

#include <torch/torch.h>

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "rapport/tuning/llama_shape.h"
#include "rapport/tuning/lora_training.h"

namespace rapport::tuning {

/// Texts side by side in one row of positions.
struct Packing {
  /// Neighbours that are computed together.
  struct Run {
    std::int64_t begin;   // of the first, in the row
    std::int64_t count;   // texts
    std::int64_t length;  // positions of each
    std::int64_t asking;  // of each, the first whose state says what comes next
  };
  std::vector<Run> runs;
  torch::Tensor positions;   // int64 [positions]: from 0 in each text
  torch::Tensor predicting;  // int64 [answers]: places of the states that predict them
};

class Packer {
 public:
  /// A text of `length` positions, of which those from `asking` on say what comes next.
  void add(std::int64_t length, std::int64_t asking);
  Packing done() const;

 private:
  std::vector<Packing::Run> runs_;
  std::vector<std::int64_t> positions_, predicting_;
};

struct PackedTexts {
  explicit PackedTexts(std::span<const TrainingText* const> texts);
  /// Tokens that are read: nothing comes after the last.
  static std::int64_t read_of(const TrainingText& text) {
    return static_cast<std::int64_t>(text.tokens.size()) - 1;
  }

  Packing packing;
  torch::Tensor tokens;   // int64 [positions]
  torch::Tensor answers;  // int64 [answer tokens]
};

/// What a LoRA adds to one matrix.
struct LoraPair {
  torch::Tensor down, up;  // [rank × in], [out × rank]
};

struct Lora {
  double scale = 0;                       // alpha / rank
  std::map<std::string, LoraPair> pairs;  // by tensor: "blk.3.attn_q.weight"

  /// Errors: kInvalidArgument for an adapter whose matrices are not those of `shape`: it belongs to
  /// another model.
  static Result<Lora> from(const LoraAdapter& adapter, const LlamaShape& shape);
};

/// Rows and columns of a layer's matrix; {0, 0} for a name that it does not have.
std::pair<std::int64_t, std::int64_t> layer_matrix_shape(const LlamaShape& shape,
                                                         std::string_view name);

class LlamaNetwork {
 public:
  /// Errors: those of read_llama_shape and GgufReader.
  static Result<LlamaNetwork> load(const std::filesystem::path& path);

  const LlamaShape& shape() const { return shape_; }
  /// What the file says it is called; "" where it says nothing.
  const std::string& name() const { return name_; }

  /// [positions × dimension]: what the first layer gets.
  torch::Tensor embed(const PackedTexts& texts) const;
  /// How large its numbers are: the root of their mean square, over all tokens.
  double input_size() const;
  /// The same of states after the last norm, about.
  double state_size() const;
  /// [dimension] of the token that texts begin with, of token 0 where the file names none.
  torch::Tensor start_vector() const { return embedding_.select(0, start_token_); }
  /// Through the layers from `first` to before `last`. [positions × dimension] in; the same out,
  /// but [answers × dimension] where `last` is the end: no other state is looked at.
  torch::Tensor run(torch::Tensor hidden, const Packing& texts, std::int64_t first,
                    std::int64_t last, const Lora* lora) const;
  /// Of states that left the last layer: what is scored. [rows × dimension].
  torch::Tensor normed(const torch::Tensor& hidden) const;
  /// [rows × vocabulary].
  torch::Tensor logits(const torch::Tensor& hidden) const;

 private:
  struct Layer {
    torch::Tensor attention_norm, inner_norm;  // [dimension]
    torch::Tensor query, key, value, output;   // [out × in]
    torch::Tensor gate, up, down;
  };
  torch::Tensor layer(std::int64_t number, const torch::Tensor& hidden, const Packing& texts,
                      const torch::Tensor& cosines, const torch::Tensor& sines, const Lora* lora,
                      bool answers_only) const;

  LlamaShape shape_;
  std::string name_;
  std::int64_t start_token_ = 0;
  torch::Tensor embedding_, output_, norm_;
  std::vector<Layer> layers_;
};

}  // namespace rapport::tuning
