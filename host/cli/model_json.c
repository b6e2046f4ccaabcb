/* Parts of a model as JSON: see model_json.h. */
#include "model_json.h"
#include "output.h"

#include <stdio.h>
#include <string.h>

cJSON *px_json_vocabulary(const px_vocabulary *vocabulary)
{
    cJSON *object = cJSON_CreateObject();
    char hash[24];
    px_text_options options = px_vocabulary_options(vocabulary);
    px_json_count(object, "size", px_vocabulary_size(vocabulary));
    cJSON_AddStringToObject(object, "level", px_level_name(options.level));
    cJSON_AddStringToObject(object, "normalise", px_normalise_name(options.normalise));
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)px_vocabulary_hash(vocabulary));
    cJSON_AddStringToObject(object, "hash", hash);
    return object;
}

cJSON *px_json_tensors(const px_parameters *parameters)
{
    cJSON *list = cJSON_CreateArray();
    for (int32_t i = 0; i < parameters->tensor_count; i++) {
        const px_tensor *tensor = &parameters->tensor[i];
        cJSON *row = cJSON_CreateObject(), *shape = cJSON_CreateArray();
        cJSON_AddStringToObject(row, "name", tensor->name);
        cJSON_AddItemToArray(shape, cJSON_CreateNumber(px_parameters_file_rows(parameters, tensor)));
        if (tensor->dims == 2) cJSON_AddItemToArray(shape, cJSON_CreateNumber(tensor->cols));
        cJSON_AddItemToObject(row, "shape", shape);
        px_json_count(row, "count", (long long)tensor->count);
        cJSON_AddItemToArray(list, row);
    }
    return list;
}

static void add_setting(cJSON *object, const px_config *config, const px_option *option)
{
    char value[4200];
    px_config_get(config, option, value, sizeof value);
    switch (option->type) {
    case PX_OPTION_INT32:
    case PX_OPTION_INT64:
    case PX_OPTION_UINT64:
    case PX_OPTION_DOUBLE: cJSON_AddRawToObject(object, option->name, value); break;
    case PX_OPTION_BOOL: cJSON_AddBoolToObject(object, option->name, strcmp(value, "true") == 0); break;
    case PX_OPTION_STRING:
        if (value[0])
            px_json_text(object, option->name, value, strlen(value));
        else
            cJSON_AddNullToObject(object, option->name);
        break;
    default: cJSON_AddStringToObject(object, option->name, value); break;
    }
}

cJSON *px_json_settings(const px_config *config)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < px_option_count; i++) add_setting(object, config, &px_options[i]);
    return object;
}
