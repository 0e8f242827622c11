#include "rapport/data/attributes.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace rapport::data {
namespace {

struct Band {
  double from;  // years
  std::string_view name;
};

constexpr Band kBands[] = {{0, "under 18"}, {18, "18-24"}, {25, "25-34"}, {35, "35-44"},
                           {45, "45-49"},   {50, "50-55"}, {56, "56+"}};
constexpr double kOldest = 150;

// In the words of MovieLens-1M's README.
constexpr std::array<std::string_view, 21> kOccupations = {"other",
                                                           "academic/educator",
                                                           "artist",
                                                           "clerical/admin",
                                                           "college/grad student",
                                                           "customer service",
                                                           "doctor/health care",
                                                           "executive/managerial",
                                                           "farmer",
                                                           "homemaker",
                                                           "K-12 student",
                                                           "lawyer",
                                                           "programmer",
                                                           "retired",
                                                           "sales/marketing",
                                                           "scientist",
                                                           "self-employed",
                                                           "technician/engineer",
                                                           "tradesman/craftsman",
                                                           "unemployed",
                                                           "writer"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::string_view age_band(double age) {
  if (!(age >= 0 && age <= kOldest)) return "";
  std::string_view name;
  for (const Band& band : kBands)
    if (age >= band.from) name = band.name;
  return name;
}

std::string_view occupation(double code) {
  if (!(code >= 0 && code < static_cast<double>(kOccupations.size())) || std::floor(code) != code)
    return "";
  return kOccupations[static_cast<std::size_t>(code)];
}

std::string region(std::string_view zip_code) {
  if (zip_code.empty()) return "";
  const char first = zip_code[0];
  if (is_digit(first) || (first >= 'A' && first <= 'Z')) return {first};
  if (first >= 'a' && first <= 'z') return {static_cast<char>(first - 'a' + 'A')};
  return "";
}

std::optional<std::int32_t> title_year(std::string_view title) {
  while (title.ends_with(' ')) title.remove_suffix(1);
  constexpr std::size_t kSize = 6;  // "(1995)"
  if (title.size() < kSize) return std::nullopt;
  const std::string_view end = title.substr(title.size() - kSize);
  if (end.front() != '(' || end.back() != ')' || !std::ranges::all_of(end.substr(1, 4), is_digit))
    return std::nullopt;
  std::int32_t year = 0;
  for (const char digit : end.substr(1, 4)) year = 10 * year + (digit - '0');
  if (year < 1800 || year > 2199) return std::nullopt;
  return year;
}

}  // namespace rapport::data
