/* A small JSON Schema checker (schema.h). */
#include "schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int has_type(const char *type, const cJSON *value)
{
    if (strcmp(type, "object") == 0) return cJSON_IsObject(value);
    if (strcmp(type, "array") == 0) return cJSON_IsArray(value);
    if (strcmp(type, "string") == 0) return cJSON_IsString(value);
    if (strcmp(type, "boolean") == 0) return cJSON_IsBool(value);
    if (strcmp(type, "null") == 0) return cJSON_IsNull(value);
    if (strcmp(type, "number") == 0) return cJSON_IsNumber(value) && isfinite(value->valuedouble);
    if (strcmp(type, "integer") == 0) return cJSON_IsNumber(value) && floor(value->valuedouble) == value->valuedouble;
    return 0;
}

static int check_type(const cJSON *type, const cJSON *value)
{
    if (cJSON_IsString(type)) return has_type(type->valuestring, value);
    const cJSON *one;
    cJSON_ArrayForEach(one, type) if (cJSON_IsString(one) && has_type(one->valuestring, value)) return 1;
    return 0;
}

static int check_enum(const cJSON *list, const cJSON *value)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, list) if (cJSON_Compare(one, value, 1)) return 1;
    return 0;
}

#define REFUSE(...)                                                                                                    \
    do {                                                                                                               \
        snprintf(message, message_bytes, __VA_ARGS__);                                                                 \
        return 0;                                                                                                      \
    } while (0)

static int check_object(const cJSON *schema, const cJSON *value, const char *where, char *message, size_t message_bytes)
{
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties"), *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(
                                 schema, "required")) if (!cJSON_GetObjectItemCaseSensitive(value, item->valuestring))
        REFUSE("%s: \"%s\" is missing", where, item->valuestring);
    cJSON_ArrayForEach(item, value)
    {
        const cJSON *property = cJSON_GetObjectItemCaseSensitive(properties, item->string);
        if (!property) {
            if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(schema, "additionalProperties")))
                REFUSE("%s: \"%s\" is not in the schema", where, item->string);
            continue;
        }
        char below[256];
        snprintf(below, sizeof below, "%s.%s", where, item->string);
        if (!schema_check(property, item, below, message, message_bytes)) return 0;
    }
    return 1;
}

int schema_check(const cJSON *schema, const cJSON *value, const char *where, char *message, size_t message_bytes)
{
    static const char *const silent[] = {
        "$schema", "title", "description", "required", "properties", "additionalProperties", NULL};
    const cJSON *rule;
    cJSON_ArrayForEach(rule, schema)
    {
        const char *name = rule->string;
        int known = 0;
        for (int i = 0; silent[i]; i++) known |= strcmp(silent[i], name) == 0;
        if (known) continue;
        if (strcmp(name, "type") == 0) {
            if (!check_type(rule, value)) REFUSE("%s: has the wrong type", where);
        } else if (strcmp(name, "const") == 0) {
            if (!cJSON_Compare(rule, value, 1)) REFUSE("%s: is not the value that it must be", where);
        } else if (strcmp(name, "enum") == 0) {
            if (!check_enum(rule, value)) REFUSE("%s: is none of the values that it may be", where);
        } else if (strcmp(name, "minimum") == 0) {
            if (cJSON_IsNumber(value) && value->valuedouble < rule->valuedouble)
                REFUSE("%s: %g is below %g", where, value->valuedouble, rule->valuedouble);
        } else if (strcmp(name, "exclusiveMinimum") == 0) {
            if (cJSON_IsNumber(value) && value->valuedouble <= rule->valuedouble)
                REFUSE("%s: %g is not above %g", where, value->valuedouble, rule->valuedouble);
        } else if (strcmp(name, "items") == 0) {
            const cJSON *item;
            int index = 0;
            cJSON_ArrayForEach(item, value)
            {
                char below[256];
                snprintf(below, sizeof below, "%s[%d]", where, index++);
                if (!schema_check(rule, item, below, message, message_bytes)) return 0;
            }
        } else {
            REFUSE("the schema at %s uses \"%s\", which is not checked here", where, name);
        }
    }
    return cJSON_IsObject(value) ? check_object(schema, value, where, message, message_bytes) : 1;
}
