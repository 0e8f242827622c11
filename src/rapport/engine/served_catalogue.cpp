#include "rapport/engine/served_catalogue.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "rapport/base/text.h"
#include "rapport/palr/title_index.h"
#include "rapport/retrieval/popularity.h"

namespace rapport::engine {
namespace {

constexpr std::int32_t kNoYear = std::numeric_limits<std::int32_t>::min();
// Longer than any id we know of; what is longer gets no suggestions. EditDistance takes no more.
constexpr std::size_t kMaxSuggested = 64;

// Letters and digits only, folded: "Sci-Fi" → "scifi".
std::string name_key(std::string_view words) {
  std::string key;
  for (const char c : base::fold_case(words)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || byte >= 0x80) key += c;
  }
  return key;
}

// The same without a plural's ending: "Comedies" and "comedy" → "comedy", "Children's" →
// "children".
std::string category_key(std::string_view words) {
  std::string key = name_key(words);
  if (key.size() > 4 && key.ends_with("ies")) return key.substr(0, key.size() - 3) + "y";
  if (key.size() > 3 && key.ends_with('s') && !key.ends_with("ss")) key.pop_back();
  return key;
}

// What people call a thing by: "Star Wars" of "Star Wars: Episode IV - A New Hope (1977)".
std::string_view main_title(std::string_view title) {
  std::size_t end = title.size();
  for (const std::string_view mark : {": ", " - ", " ("}) end = std::min(end, title.find(mark));
  return title.substr(0, end);
}

// Everyday words for what catalogues call otherwise; each counts only where its category exists.
constexpr std::pair<std::string_view, std::string_view> kEverydayWords[] = {
    {"romantic", "romance"},   {"funny", "comedy"},         {"scary", "horror"},
    {"animated", "animation"}, {"sciencefiction", "scifi"}, {"sf", "scifi"},
    {"dramatic", "drama"},
};

// Levenshtein distances of one word from many texts: a machine word holds a column of the matrix
// (Myers 1999, as Hyyrö 2003 has it), so that each takes as many steps as the text has bytes.
// base::nearest is for the few names of an option: over 12,000 titles it takes .2 s.
class EditDistance {
 public:
  // From 1 to kMaxSuggested bytes.
  explicit EditDistance(std::string_view word) : size_(word.size()) {
    for (std::size_t i = 0; i < word.size(); ++i) {
      places_[static_cast<unsigned char>(word[i])] |= std::uint64_t{1} << i;
    }
  }

  std::size_t to(std::string_view text) const {
    const std::uint64_t last = std::uint64_t{1} << (size_ - 1);
    std::uint64_t rises = ~std::uint64_t{0}, falls = 0;  // down the column
    std::size_t distance = size_;
    for (const char c : text) {
      const std::uint64_t equal = places_[static_cast<unsigned char>(c)];
      const std::uint64_t along = (((equal & rises) + rises) ^ rises) | equal;
      std::uint64_t next_rises = falls | ~(along | rises);
      std::uint64_t next_falls = rises & along;
      if ((next_rises & last) != 0) ++distance;
      if ((next_falls & last) != 0) --distance;
      next_rises = (next_rises << 1) | 1;
      next_falls <<= 1;
      rises = next_falls | ~(equal | falls | next_rises);
      falls = next_rises & (equal | falls);
    }
    return distance;
  }

  // The item of the nearest text that differs in at most a third of its bytes, as base::nearest has
  // it; among equals the first.
  template <typename TextOf>
  std::optional<data::ItemIndex> nearest(std::int64_t items, TextOf text_of) const {
    std::optional<data::ItemIndex> best;
    std::size_t least = std::string_view::npos;
    for (data::ItemIndex item = 0; item < items; ++item) {
      const std::string_view text = text_of(item);
      const std::size_t limit = text.size() / 3;
      const std::size_t difference = std::max(size_, text.size()) - std::min(size_, text.size());
      if (difference > limit || difference >= least) continue;  // the distance is at least that
      const std::size_t distance = to(text);
      if (distance > limit || distance >= least) continue;
      least = distance;
      best = item;
    }
    return best;
  }

 private:
  std::size_t size_;
  std::array<std::uint64_t, 256> places_{};  // of each byte in the word
};

}  // namespace

std::shared_ptr<const ServedCatalogue> ServedCatalogue::create(
    std::shared_ptr<const data::Dataset> dataset, std::shared_ptr<const retrieval::Retriever> model,
    std::string why_no_model) {
  std::shared_ptr<ServedCatalogue> served(new ServedCatalogue());
  served->dataset_ = std::move(dataset);
  served->model_ = std::move(model);
  served->why_no_model_ = std::move(why_no_model);
  served->index_items();
  served->count_interactions();
  return served;
}

std::shared_ptr<const ServedCatalogue> ServedCatalogue::with_ranking(
    std::shared_ptr<const palr::ListRanker> ranking, std::string why_no_ranking) const {
  std::shared_ptr<ServedCatalogue> served(new ServedCatalogue(*this));
  served->ranking_ = std::move(ranking);
  served->why_no_ranking_ = std::move(why_no_ranking);
  return served;
}

void ServedCatalogue::index_items() {
  std::map<std::string, CategoryIndex> by_name;
  category_offsets_.push_back(0);
  for (data::ItemIndex i = 0; i < catalogue().size(); ++i) {
    const data::Item item = catalogue().item(i);
    const auto begin = static_cast<std::ptrdiff_t>(item_categories_.size());
    for (const std::string& category : item.categories) {
      const auto [at, fresh] =
          by_name.try_emplace(category, static_cast<CategoryIndex>(category_names_.size()));
      if (fresh) category_names_.push_back(category);
      item_categories_.push_back(at->second);
    }
    std::sort(item_categories_.begin() + begin, item_categories_.end());
    item_categories_.erase(std::unique(item_categories_.begin() + begin, item_categories_.end()),
                           item_categories_.end());
    category_offsets_.push_back(static_cast<std::int64_t>(item_categories_.size()));
    years_.push_back(item.year.value_or(kNoYear));
    folded_titles_.push_back(base::fold_case(item.title));
    BrandIndex brand = -1;
    if (const std::string key = name_key(item.brand); !key.empty()) {
      const auto [at, fresh] =
          brand_by_key_.try_emplace(key, static_cast<BrandIndex>(brand_names_.size()));
      if (fresh) brand_names_.push_back(item.brand);
      brand = at->second;
    }
    brands_.push_back(brand);
    prices_.push_back(item.price.value_or(std::numeric_limits<double>::quiet_NaN()));
    has_prices_ = has_prices_ || item.price.has_value();
  }
  for (const auto& [category, index] : by_name) {
    category_by_key_.try_emplace(category_key(category), index);
  }
  for (const auto& [word, means] : kEverydayWords) {
    const auto found = category_by_key_.find(std::string(means));
    if (found != category_by_key_.end()) {
      category_by_key_.try_emplace(std::string(word), found->second);
    }
  }
}

void ServedCatalogue::count_interactions() {
  const auto items = static_cast<std::size_t>(dataset_->items());
  interactions_.assign(items, 0);
  for (data::UserIndex user = 0; user < dataset_->users(); ++user) {
    for (const data::ItemIndex item : dataset_->history(user)) {
      ++interactions_[static_cast<std::size_t>(item)];
    }
  }
  popularity_ = std::make_shared<retrieval::Popularity>(
      std::vector<float>(interactions_.begin(), interactions_.end()));
  by_popularity_.resize(items);
  std::iota(by_popularity_.begin(), by_popularity_.end(), data::ItemIndex{0});
  std::stable_sort(
      by_popularity_.begin(), by_popularity_.end(),
      [this](data::ItemIndex a, data::ItemIndex b) { return interactions(a) > interactions(b); });
  popularity_ranks_.resize(items);
  for (std::size_t rank = 0; rank < items; ++rank) {
    popularity_ranks_[static_cast<std::size_t>(by_popularity_[rank])] =
        static_cast<std::int64_t>(rank) + 1;
  }
  for (const data::ItemIndex item : by_popularity_) {
    const std::string_view title = catalogue().title(item);
    std::string whole = palr::normal_title(title), main = palr::normal_title(main_title(title));
    if (!main.empty() && main != whole) by_main_title_[std::move(main)].push_back(item);
    if (!whole.empty()) by_title_[std::move(whole)].push_back(item);
  }
}

std::span<const CategoryIndex> ServedCatalogue::categories(data::ItemIndex item) const {
  const auto i = static_cast<std::size_t>(item);
  const auto begin = static_cast<std::size_t>(category_offsets_[i]);
  const auto end = static_cast<std::size_t>(category_offsets_[i + 1]);
  return std::span(item_categories_).subspan(begin, end - begin);
}

std::optional<CategoryIndex> ServedCatalogue::find_category(std::string_view words) const {
  const auto found = category_by_key_.find(category_key(words));
  if (found == category_by_key_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::int32_t> ServedCatalogue::year(data::ItemIndex item) const {
  const std::int32_t year = years_[static_cast<std::size_t>(item)];
  if (year == kNoYear) return std::nullopt;
  return year;
}

std::optional<BrandIndex> ServedCatalogue::brand(data::ItemIndex item) const {
  const BrandIndex brand = brands_[static_cast<std::size_t>(item)];
  if (brand < 0) return std::nullopt;
  return brand;
}

std::optional<BrandIndex> ServedCatalogue::find_brand(std::string_view words) const {
  const auto found = brand_by_key_.find(name_key(words));
  if (found == brand_by_key_.end()) return std::nullopt;
  return found->second;
}

std::optional<double> ServedCatalogue::price(data::ItemIndex item) const {
  const double price = prices_[static_cast<std::size_t>(item)];
  if (std::isnan(price)) return std::nullopt;
  return price;
}

std::span<const data::ItemIndex> ServedCatalogue::find_title(std::string_view title) const {
  const std::string normal = palr::normal_title(title);
  for (const auto* titles : {&by_title_, &by_main_title_}) {
    const auto found = titles->find(normal);
    if (found != titles->end()) return found->second;
  }
  return {};
}

std::int64_t ServedCatalogue::interactions(data::ItemIndex item) const {
  return interactions_[static_cast<std::size_t>(item)];
}

std::int64_t ServedCatalogue::popularity_rank(data::ItemIndex item) const {
  return popularity_ranks_[static_cast<std::size_t>(item)];
}

double ServedCatalogue::similarity(data::ItemIndex a, data::ItemIndex b) const {
  const auto of_a = categories(a), of_b = categories(b);
  std::size_t both = 0;
  for (std::size_t i = 0, j = 0; i < of_a.size() && j < of_b.size();) {
    if (of_a[i] == of_b[j]) {
      ++both, ++i, ++j;
    } else {
      ++(of_a[i] < of_b[j] ? i : j);
    }
  }
  if (both == 0) return 0;
  return static_cast<double>(both) / static_cast<double>(of_a.size() + of_b.size() - both);
}

std::vector<data::ItemIndex> ServedCatalogue::search(std::string_view query,
                                                     std::optional<CategoryIndex> category,
                                                     std::int64_t limit,
                                                     std::int64_t offset) const {
  const std::string folded = base::fold_case(query);
  const std::vector<std::string_view> words = base::words(folded);
  std::vector<data::ItemIndex> found;
  if (!query.empty() && words.empty()) return found;
  for (const data::ItemIndex item : by_popularity_) {
    if (category && !std::ranges::binary_search(categories(item), *category)) continue;
    const std::string& title = folded_titles_[static_cast<std::size_t>(item)];
    const bool has_all = std::ranges::all_of(
        words, [&](std::string_view word) { return title.find(word) != std::string::npos; });
    if (!has_all || offset-- > 0) continue;
    found.push_back(item);
    if (static_cast<std::int64_t>(found.size()) == limit) break;
  }
  return found;
}

// What may have been meant: the item of nearly this id, or of nearly this title.
std::optional<data::ItemIndex> ServedCatalogue::nearest(std::string_view id) const {
  if (id.empty() || id.size() > kMaxSuggested) return std::nullopt;
  const auto by_id = EditDistance(id).nearest(
      catalogue().size(), [this](data::ItemIndex item) { return catalogue().id(item); });
  if (by_id) return by_id;
  const std::string folded = base::fold_case(id);
  if (folded.size() > kMaxSuggested) return std::nullopt;
  return EditDistance(folded).nearest(catalogue().size(), [this](data::ItemIndex item) {
    return std::string_view(folded_titles_[static_cast<std::size_t>(item)]);
  });
}

Result<data::ItemIndex> ServedCatalogue::require(std::string_view id, const std::string& param,
                                                 std::string_view remedy) const {
  if (const auto found = catalogue().find(id)) return *found;
  const auto meant = nearest(id);
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("{} \"{}\" is no item of the catalogue {}: {}", param,
                          base::truncate(id, kMaxSuggested), name(),
                          meant ? fmt::format("did you mean \"{}\" ({})?", catalogue().id(*meant),
                                              catalogue().title(*meant))
                                : remedy),
              param);
}

Result<std::shared_ptr<const ServedCatalogue>> CatalogueSlot::require() const {
  if (auto served = get()) return served;
  return fail(
      ErrorCode::kUnavailable,
      "no catalogue is loaded yet: prepare one with `rapport data prepare` and name it in "
      "recommend.dataset, or wait until the one that is being prepared is ready (/v1/jobs)");
}

}  // namespace rapport::engine
