// What an embedding model makes of the items' texts: how alike items are in meaning, where their
// words differ. Made once for a catalogue, and kept within the ranking model that reads it.
//
//   TRY(const ItemEmbeddings made, embed_items(dataset, embedder, step));
//   TRY_VOID(save_item_embeddings(whitened(made), dataset, "embeddings/beauty"));
//   TRY(const ItemEmbeddings again, load_item_embeddings("embeddings/beauty", dataset));
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "rapport/base/safetensors.h"
#include "rapport/data/dataset.h"
#include "rapport/language/text_embedder.h"
#include "rapport/retrieval/training_threads.h"

namespace rapport::retrieval {

struct ItemEmbeddings {
  std::string embedder;         // its id
  std::int64_t dimensions = 0;  // d
  std::vector<float> values;    // [items × d]; 0 where an item has no text

  std::span<const float> row(data::ItemIndex item) const;
};

/// More dimensions than any sentence encoder has are a mistake, or an attack.
inline constexpr std::int64_t kMostDimensions = 4096;

/// What is embedded of an item: its title, brand and categories, cut to some 2,000 bytes; "" where
/// it has none of them.
std::string embedded_text(const data::Item& item);

/// A text longer than the embedder reads is cut until it is not. Errors: kInvalidArgument where no
/// item has text; kUnsupported for an embedder of too many dimensions; kInternal where it makes a
/// number that is none, naming the item; its own; those of `step`.
Result<ItemEmbeddings> embed_items(const data::Dataset& dataset, language::TextEmbedder& embedder,
                                   const WorkStep& step);

/// The same vectors, less their mean, in a basis in which they spread alike in all directions
/// (whitening, Su et al. 2021, with the covariance shrunk towards a ball), each of length 1:
/// sentence vectors all point one way, which hides how they differ.
ItemEmbeddings whitened(const ItemEmbeddings& embeddings);

/// That `directory` is free, or holds embeddings, which may be replaced. Errors: kConflict.
Result<void> check_embeddings_output(const std::filesystem::path& directory);
/// Whole or not at all. Errors: those of check_embeddings_output; kIo.
Result<void> save_item_embeddings(const ItemEmbeddings& embeddings, const data::Dataset& dataset,
                                  const std::filesystem::path& directory);
/// Whether `directory` says of itself that it holds some.
bool holds_item_embeddings(const std::filesystem::path& directory);
/// Errors: kNotFound; kCorrupt; kUnsupported; kConflict for another catalogue, or other texts than
/// were embedded. Each names the directory and what to do.
Result<ItemEmbeddings> load_item_embeddings(const std::filesystem::path& directory,
                                            const data::Dataset& dataset);

// As tensors of another file.
void add_item_embeddings(const ItemEmbeddings& embeddings, base::SafetensorsWriter& writer);
/// Errors: kCorrupt; kUnsupported for other numbers than floats; kIo.
Result<ItemEmbeddings> read_item_embeddings(const base::Safetensors& file, std::string embedder,
                                            std::int64_t items);

}  // namespace rapport::retrieval
