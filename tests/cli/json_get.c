/* json_get FILE [PATH]: checks that FILE is one JSON value and nothing else, and prints what PATH ("texts.0.ids") leads
 * to: texts as they are, numbers in full, anything else as JSON. Status 1 if it is not JSON, 3 if PATH leads nowhere.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_all(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    size_t room = 1 << 16, used = 0, got;
    char *text = malloc(room);
    while (text && (got = fread(text + used, 1, room - used, file)) > 0) {
        used += got;
        if (used == room) {
            char *larger = realloc(text, room *= 2);
            if (!larger) free(text);
            text = larger;
        }
    }
    fclose(file);
    if (text) text[used] = 0;
    *bytes = used;
    return text;
}

static const cJSON *step(const cJSON *value, const char *name)
{
    if (cJSON_IsArray(value)) return cJSON_GetArrayItem(value, atoi(name));
    return cJSON_GetObjectItemCaseSensitive(value, name);
}

int main(int argc, char **argv)
{
    size_t bytes = 0;
    const char *end = NULL;
    if (argc < 2) return 1;
    char *text = read_all(argv[1], &bytes);
    if (!text || strlen(text) != bytes) return 1;
    cJSON *root = cJSON_ParseWithOpts(text, &end, 0);
    if (!root || end[strspn(end, " \n")] != 0) {
        fprintf(stderr, "%s: not one JSON value\n", argv[1]);
        return 1;
    }
    const cJSON *value = root;
    if (argc > 2)
        for (char *name = strtok(argv[2], "."); name && value; name = strtok(NULL, ".")) value = step(value, name);
    if (!value) return 3;
    if (cJSON_IsString(value))
        printf("%s\n", value->valuestring);
    else if (cJSON_IsNumber(value))
        printf("%.17g\n", value->valuedouble);
    else if (argc > 2) {
        char *shown = cJSON_PrintUnformatted(value);
        printf("%s\n", shown);
        free(shown);
    }
    cJSON_Delete(root);
    free(text);
    return 0;
}
