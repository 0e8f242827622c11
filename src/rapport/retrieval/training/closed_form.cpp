#include "rapport/retrieval/training/closed_form.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <vector>

#include "rapport/data/leave_one_out.h"
#include "rapport/retrieval/training/parallel.h"
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
                                  std::int64_t most, std::int64_t threads) {
  if (!std::ranges::all_of(weights, [](float weight) { return std::isfinite(weight); }))
    return fail(ErrorCode::kInternal, "the weights are no numbers: raise lambda");
  return largest_of_rows(items, items, most, threads, [&](std::int64_t row, std::vector<float>&) {
    return weights.subspan(static_cast<std::size_t>(row * items), static_cast<std::size_t>(items));
  });
}

Result<Fit> guarded(std::string_view kind, const std::function<Result<Fit>()>& fit) {
  try {
    return fit();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::kInternal, fmt::format("{} does not fit into memory", kind));
  } catch (const std::exception& error) {  // libtorch's
    return fail(ErrorCode::kInternal, fmt::format("training failed: {}", error.what()));
  }
}

}  // namespace rapport::retrieval
