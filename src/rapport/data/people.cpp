#include "rapport/data/people.h"

#include <fmt/format.h>

#include <cassert>

#include "rapport/base/text.h"
#include "rapport/data/columns.h"
#include "rapport/data/id_column.h"

namespace rapport::data {
namespace {

struct Attribute {
  const char* column;
  std::string Person::*field;
};

constexpr Attribute kAttributes[] = {{"users.age_band", &Person::age_band},
                                     {"users.gender", &Person::gender},
                                     {"users.occupation", &Person::occupation},
                                     {"users.region", &Person::region}};

}  // namespace

struct People::Contents {
  Columns columns;  // what the views below look into; those of a data set have others beside
  IdColumn ids;
  TextColumn attributes[std::size(kAttributes)];
};

People::People() {
  static const People kEmpty = create({}).value();  // nothing in it can be wrong
  contents_ = kEmpty.contents_;
}

Result<People> People::create(std::vector<Person> people) {
  ColumnsBuilder builder;
  std::vector<std::string_view> ids(people.size());
  std::ranges::transform(people, ids.begin(), &Person::id);
  TRY_VOID(IdColumn::write(builder, "users.id", "user", ids));
  for (const Attribute& attribute : kAttributes) {
    for (const Person& person : people) {
      if (!base::is_utf8(person.*attribute.field)) {
        return fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} of user \"{}\" is not UTF-8", attribute.column, person.id));
      }
    }
    builder.add_texts(attribute.column, people.size(),
                      [&](auto i) { return people[i].*attribute.field; });
  }
  return read(builder.build());
}

Result<People> People::read(const Columns& columns) {
  auto contents = std::make_shared<Contents>();
  contents->columns = columns;
  TRY(contents->ids, IdColumn::read(columns, "users.id"));
  for (std::size_t a = 0; a < std::size(kAttributes); ++a) {
    TRY(contents->attributes[a], columns.texts(kAttributes[a].column));
    if (contents->attributes[a].size() != contents->ids.size()) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("column {} differs from the users in length", kAttributes[a].column));
    }
  }
  return People(std::move(contents));
}

void People::write(ColumnsBuilder& builder) const {
  builder.add(contents_->columns, "users.");
}

std::int64_t People::size() const {
  return static_cast<std::int64_t>(contents_->ids.size());
}

std::string_view People::id(UserIndex user) const {
  assert(user >= 0 && user < size());
  return contents_->ids[static_cast<std::size_t>(user)];
}

Person People::person(UserIndex user) const {
  assert(user >= 0 && user < size());
  const auto i = static_cast<std::size_t>(user);
  Person person{.id = std::string(contents_->ids[i])};
  for (std::size_t a = 0; a < std::size(kAttributes); ++a)
    person.*kAttributes[a].field = contents_->attributes[a][i];
  return person;
}

std::optional<UserIndex> People::find(std::string_view id) const {
  return contents_->ids.find(id);
}

}  // namespace rapport::data
