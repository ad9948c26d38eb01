#include "data/records/sample_table.h"

#include <c10/util/Exception.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/json_lines.h"
#include "google/protobuf/descriptor.h"

namespace deduce {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using Json = nlohmann::json;

constexpr char kTruncated[] = "truncated";

const std::string& Name(const FieldDescriptor& field) {
  return field.has_json_name() ? field.json_name() : field.name();
}

Json NumberOrNull(double number) { return std::isnan(number) ? Json() : Json(number); }

// Of a singular field that is set, or of element i of a repeated one.
Json ValueOf(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& of = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return many ? of.GetRepeatedInt32(message, &field, i) : of.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return many ? of.GetRepeatedInt64(message, &field, i) : of.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return many ? of.GetRepeatedUInt64(message, &field, i) : of.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return NumberOrNull(many ? of.GetRepeatedFloat(message, &field, i)
                               : of.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberOrNull(many ? of.GetRepeatedDouble(message, &field, i)
                               : of.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return many ? of.GetRepeatedString(message, &field, i) : of.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return of.GetEnum(message, &field)->name();
    default:
      TORCH_CHECK(false, "sample table: found field ", field.full_name(), " of type ",
                  field.cpp_type_name(), ", expected one that has a form in JSON");
  }
}

nlohmann::ordered_json FieldJson(const Sample& sample, const FieldDescriptor& field) {
  const Reflection& of = *sample.GetReflection();
  if (field.is_map()) {
    Json object = Json::object();  // sorted by key
    for (int i = 0; i < of.FieldSize(sample, &field); ++i) {
      const Message& entry = of.GetRepeatedMessage(sample, &field, i);
      const google::protobuf::Descriptor& type = *entry.GetDescriptor();
      object[ValueOf(entry, *type.map_key(), 0).get<std::string>()] =
          ValueOf(entry, *type.map_value(), 0);
    }
    return object;
  }
  if (field.is_repeated()) {
    Json array = Json::array();
    for (int i = 0; i < of.FieldSize(sample, &field); ++i)
      array.push_back(ValueOf(sample, field, i));
    return array;
  }
  return of.HasField(sample, &field) ? ValueOf(sample, field, 0) : Json();
}

// "a, b or c".
std::string EnumNames(const google::protobuf::EnumDescriptor& type) {
  std::string names = type.value(0)->name();
  for (int i = 1; i < type.value_count(); ++i)
    absl::StrAppend(&names, i + 1 < type.value_count() ? ", " : " or ", type.value(i)->name());
  return names;
}

absl::StatusOr<int64_t> Integer(const std::string& where, const std::string& key, const Json& value,
                                int64_t most) {
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) ||
      value.get<int64_t>() < 0 || value.get<int64_t>() > most) {
    return FieldError(where, key, value, "an integer of at least 0");
  }
  return value.get<int64_t>();
}

absl::StatusOr<double> Number(const std::string& where, const std::string& key, const Json& value) {
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (!value.is_number()) return FieldError(where, key, value, "a number");
  return value.get<double>();
}

// Sets a singular field, or adds to a repeated one.
absl::Status SetValue(const std::string& where, const std::string& key, const Json& value,
                      const FieldDescriptor& field, Message& message) {
  const Reflection& of = *message.GetReflection();
  const bool many = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      ASSIGN_OR_RETURN(const int64_t number, Integer(where, key, value, INT32_MAX));
      many ? of.AddInt32(&message, &field, static_cast<int32_t>(number))
           : of.SetInt32(&message, &field, static_cast<int32_t>(number));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      ASSIGN_OR_RETURN(const int64_t number, Integer(where, key, value, INT64_MAX));
      many ? of.AddInt64(&message, &field, number) : of.SetInt64(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      ASSIGN_OR_RETURN(const int64_t number, Integer(where, key, value, INT64_MAX));
      many ? of.AddUInt64(&message, &field, static_cast<uint64_t>(number))
           : of.SetUInt64(&message, &field, static_cast<uint64_t>(number));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      ASSIGN_OR_RETURN(const double number, Number(where, key, value));
      many ? of.AddFloat(&message, &field, static_cast<float>(number))
           : of.SetFloat(&message, &field, static_cast<float>(number));
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      ASSIGN_OR_RETURN(const double number, Number(where, key, value));
      many ? of.AddDouble(&message, &field, number) : of.SetDouble(&message, &field, number);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (!value.is_string()) return FieldError(where, key, value, "a string");
      many ? of.AddString(&message, &field, value.get<std::string>())
           : of.SetString(&message, &field, value.get<std::string>());
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto& type = *field.enum_type();
      const auto* known =
          value.is_string() ? type.FindValueByName(value.get<std::string>()) : nullptr;
      if (known == nullptr) return FieldError(where, key, value, EnumNames(type));
      of.SetEnum(&message, &field, known);
      return absl::OkStatus();
    }
    default:
      TORCH_CHECK(false, "sample table: found field ", field.full_name(), " of type ",
                  field.cpp_type_name(), ", expected one that has a form in JSON");
  }
}

absl::Status SetMap(const std::string& where, const std::string& key, const Json& value,
                    const FieldDescriptor& field, Sample& sample) {
  if (!value.is_object()) return FieldError(where, key, value, "an object of numbers");
  const google::protobuf::Descriptor& type = *field.message_type();
  for (const auto& [name, number] : value.items()) {
    Message& entry = *sample.GetReflection()->AddMessage(&sample, &field);
    RETURN_IF_ERROR(SetValue(where, key, Json(name), *type.map_key(), entry));
    RETURN_IF_ERROR(
        SetValue(where, absl::StrCat(key, ".", name), number, *type.map_value(), entry));
  }
  return absl::OkStatus();
}

absl::Status SetField(const std::string& where, const Json& value, const FieldDescriptor& field,
                      Sample& sample) {
  const std::string& key = Name(field);
  if (value.is_null()) return absl::OkStatus();
  if (field.is_map()) return SetMap(where, key, value, field, sample);
  if (!field.is_repeated()) return SetValue(where, key, value, field, sample);
  if (!value.is_array()) return FieldError(where, key, value, "an array");
  for (size_t i = 0; i < value.size(); ++i)
    RETURN_IF_ERROR(SetValue(where, absl::StrCat(key, "[", i, "]"), value[i], field, sample));
  return absl::OkStatus();
}

absl::Status Missing(const std::string& where, const std::string& what,
                     const std::string& expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found no ", what, ", expected ", expected));
}

// One log-probability for each of `count` tokens, or none.
absl::Status CheckLogProbs(const std::string& where, const Json& object, const Sample& sample,
                           int count) {
  const int found = sample.sampler_log_probs_size();
  if (!object.contains("logprobs") || found == count || count == 0) return absl::OkStatus();
  return FieldError(where, "logprobs", object["logprobs"],
                    absl::StrCat("an array of ", count, " numbers, one a token"));
}

// What a sample trains with.
absl::Status CheckTrainable(const std::string& where, const Sample& sample) {
  if (!sample.has_sample()) return Missing(where, "sample", "the index of a sample in its step");
  if (!sample.has_group()) return Missing(where, "group", "the index of a group in its step");
  if (!sample.has_status()) return Missing(where, "status", "finished or truncated");
  if (sample.prompt_tokens().empty()) return Missing(where, "prompt_tokens", "ids of tokens");
  if (sample.completion_tokens().empty())
    return Missing(where, "completion_tokens", "ids of tokens");
  if (sample.sampler_log_probs_size() != sample.completion_tokens_size())
    return Missing(where, "logprobs", "one a token of the completion");
  if (!sample.mask().empty() && sample.mask_size() != sample.completion_tokens_size())
    return Missing(where, "mask for every token of the completion", "one, or none at all");
  return absl::OkStatus();
}

}  // namespace

nlohmann::ordered_json SampleToJson(const Sample& sample) {
  nlohmann::ordered_json line;
  const google::protobuf::Descriptor& type = *Sample::descriptor();
  for (int i = 0; i < type.field_count(); ++i)
    line[Name(*type.field(i))] = FieldJson(sample, *type.field(i));
  line[kTruncated] = sample.status() == Sample::truncated;
  return line;
}

absl::StatusOr<Sample> SampleFromJson(const std::string& where, const Json& object) {
  Sample sample;
  const google::protobuf::Descriptor& type = *Sample::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto value = object.find(Name(*type.field(i)));
    if (value != object.end()) RETURN_IF_ERROR(SetField(where, *value, *type.field(i), sample));
  }
  if (!sample.has_prompt()) return Missing(where, "prompt", "a string");
  if (!sample.has_completion()) return Missing(where, "completion", "a string");
  if (!sample.has_verdict())
    return Missing(where, "verdict", EnumNames(*Sample::Verdict_descriptor()));
  const auto truncated = object.find(kTruncated);
  if (truncated != object.end()) {
    if (!truncated->is_boolean()) return FieldError(where, kTruncated, *truncated, "true or false");
    if (!sample.has_status())
      sample.set_status(truncated->get<bool>() ? Sample::truncated : Sample::finished);
  }
  for (const int count : {sample.token_texts_size(), sample.completion_tokens_size()})
    RETURN_IF_ERROR(CheckLogProbs(where, object, sample, count));
  return sample;
}

namespace {

absl::Status AddLine(const std::string& where, const Json& line, SampleTable& table) {
  ASSIGN_OR_RETURN(Sample sample, SampleFromJson(where, line));
  RETURN_IF_ERROR(CheckTrainable(where, sample));
  if (!table.sample().empty()) {
    const uint64_t before = table.sample().rbegin()->sample();
    if (sample.sample() <= before) {
      return FieldError(where, "sample", sample.sample(),
                        absl::StrCat("one above the line before, ", before));
    }
  }
  *table.add_sample() = std::move(sample);
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteSampleTable(const std::string& path, const SampleTable& table) {
  namespace fs = std::filesystem;
  std::error_code ignored;  // the open below reports what is wrong
  fs::create_directories(fs::path(path).parent_path(), ignored);
  const std::string unfinished = path + ".unfinished";
  std::ofstream file(unfinished, std::ios::binary | std::ios::trunc);
  for (const Sample& sample : table.sample()) {
    file << SampleToJson(sample).dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }
  file.close();
  if (!file || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat(path, ": found error '", std::strerror(errno),
                                               "', expected a file that can be written"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SampleTable> ReadSampleTable(const std::string& path) {
  SampleTable table;
  const absl::Status read = ForEachJsonLine(path, [&](const std::string& where, const Json& line) {
    return AddLine(where, line, table);
  });
  if (!read.ok()) return read;
  if (table.sample().empty())
    return absl::InvalidArgumentError(absl::StrCat(path, ": found no line, expected samples"));
  return table;
}

void SetTokenTexts(const Tokenizer& tokenizer, SampleTable& table) {
  for (Sample& sample : *table.mutable_sample()) {
    sample.clear_token_texts();
    for (const int32_t token : sample.completion_tokens())
      sample.add_token_texts(tokenizer.TokenText(token));
  }
}

std::map<uint64_t, std::vector<size_t>> SamplesByGroup(const SampleTable& table) {
  std::map<uint64_t, std::vector<size_t>> groups;
  for (int i = 0; i < table.sample_size(); ++i)
    groups[table.sample(i).group()].push_back(static_cast<size_t>(i));
  return groups;
}

}  // namespace deduce
