/* A checker for the part of JSON Schema that bench/schema.json uses: type, const, enum, required, properties,
 * additionalProperties (false), items, minimum, exclusiveMinimum. Any other keyword is an error, so that the schema
 * cannot say more than is checked. */
#ifndef PX_TEST_SCHEMA_H
#define PX_TEST_SCHEMA_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* 1 if value obeys schema; else 0, and message says where and why. */
int schema_check(const cJSON *schema, const cJSON *value, const char *where, char *message, size_t message_bytes);

#endif
