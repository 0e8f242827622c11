#include "rapport/retrieval/training/closed_form.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/training/sparse_product.h"

namespace rapport::retrieval {

Result<void> check_closed_form(const data::Dataset& dataset, std::int64_t matrices,
                               std::int64_t least) {
  const auto items = static_cast<double>(dataset.items());
  const double needed = static_cast<double>(matrices) * items * items * sizeof(float);
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  if (needed > memory)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} items: {} matrices of that by that take {:.0f} GB, and this "
                            "machine has {:.0f}: train a model of sequences",
                            dataset.name(), dataset.items(), matrices, needed / 1e9, memory / 1e9),
                "data");
  for (data::UserIndex user = 0; user < dataset.users(); ++user) {
    if (static_cast<std::int64_t>(data::training_history(dataset, user).size()) >= least) return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} has no user with {} interactions: there is nothing to learn from",
                          dataset.name(), least + 2),
              "data");
}

Result<SparseMatrix> keep_largest(std::span<const float> weights, std::int64_t items,
                                  std::int64_t most, TrainingThreads& threads,
                                  const WorkStep& step) {
  if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); }))
    return fail(ErrorCode::kInternal, "the weights are no numbers: raise lambda");
  const auto width = static_cast<std::size_t>(items);
  return rows_side_by_side(
      items, items, threads, step, [&](std::int64_t begin, std::int64_t end, SparseMatrix& part) {
        for (auto row = static_cast<std::size_t>(begin); row < static_cast<std::size_t>(end); ++row)
          append_largest(weights.subspan(row * width, width), most, part);
      });
}

}  // namespace rapport::retrieval
