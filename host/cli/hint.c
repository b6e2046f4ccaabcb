/* Remedies that a command has: see hint.h. */
#include "hint.h"

#include <string.h>

static const px_command_line *command;

void px_hint_command(const px_command_line *line) { command = line; }

/* The next "--name" of this command in the text before end: not inside a word, and not behind the name of another
 * program. */
static const char *next_flag(const char *text, const char *end, size_t *name_bytes)
{
    static const char *const others[] = {"perplex ", "mpirun ", "srun ", "cmake ", "pip "};
    for (int i = 0; i < 5; i++) {
        const char *other = strstr(text, others[i]);
        if (other && other < end) end = other;
    }
    for (const char *at = text; at + 2 < end; at++) {
        if (at[0] != '-' || at[1] != '-' || (at > text && strchr(" (\"'", at[-1]) == NULL)) continue;
        *name_bytes = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz0123456789-");
        if (*name_bytes > 0) return at;
    }
    return NULL;
}

/* Whether the command has every flag that the text before end names. */
static int has_all(const char *text, const char *end)
{
    char name[64];
    size_t bytes;
    for (const char *at = text; (at = next_flag(at, end, &bytes)) != NULL; at += 2 + bytes) {
        if (bytes >= sizeof name) return 0;
        memcpy(name, at + 2, bytes);
        name[bytes] = 0;
        if (!px_command_line_has(command, name)) return 0;
    }
    return 1;
}

/* Where the alternative that begins here ends, and how long the joint behind it is: ", or ", " or " or ", ". */
static const char *alternative_end(const char *text, const char *end, size_t *joint)
{
    static const char *const joints[] = {", or ", " or ", ", "};
    for (const char *at = text; at < end; at++)
        for (int i = 0; i < 3; i++) {
            *joint = strlen(joints[i]);
            if ((size_t)(end - at) > *joint && strncmp(at, joints[i], *joint) == 0) return at;
        }
    *joint = 0;
    return end;
}

static char *append(char *out, const char *text, size_t bytes)
{
    memcpy(out, text, bytes);
    return out + bytes;
}

/* One alternative of a part: its text, and whether it stays. */
typedef struct alternative {
    const char *begin, *end;
    int stays;
} alternative;

enum { ALTERNATIVES = 16 };

/* Takes a part apart and judges it; returns how many there are, 0 where there are too many. *cut: some do not stay.
 * What names no flag goes with the one before ("--level char or byte"), unless it begins anew: behind ", or ", or by "a
 * ". */
static int judge(const char *text, const char *end, alternative *list, int *cut)
{
    size_t joint = 0, before = 0, name;
    int count = 0;
    *cut = 0;
    for (const char *at = text; at < end; at = list[count - 1].end + joint, before = joint) {
        if (count == ALTERNATIVES) return 0;
        const char *close = alternative_end(at, end, &joint);
        int anew =
            count == 0 || before == strlen(", or ") || strncmp(at, "a ", 2) == 0 || next_flag(at, close, &name) != NULL;
        list[count] = (alternative){at, close, anew ? has_all(at, close) : list[count - 1].stays};
        *cut |= !list[count++].stays;
    }
    return count;
}

/* Those that stay, as "use A, B or C": the verb is the first one's. Returns out where none does. */
static char *join(const alternative *list, int count, char *out)
{
    size_t name;
    const char *flag = next_flag(list[0].begin, list[0].end, &name);
    int last = -1, first = 1;
    for (int i = 0; i < count; i++)
        if (list[i].stays) last = i;
    for (int i = 0; i < count; i++) {
        if (!list[i].stays) continue;
        if (first && i > 0 && flag && (list[i].begin[0] == '-' || strncmp(list[i].begin, "a ", 2) == 0))
            out = append(out, list[0].begin, (size_t)(flag - list[0].begin));
        if (!first) out = i == last ? append(out, " or ", 4) : append(out, ", ", 2);
        out = append(out, list[i].begin, (size_t)(list[i].end - list[i].begin));
        first = 0;
    }
    return out;
}

const char *px_hint_for_command(const char *message, char *buffer, size_t room)
{
    const char *part = strstr(message, "; ");
    int changed = 0;
    if (!command || !part || 2 * strlen(message) + 64 > room) return message;
    char *out = append(buffer, message, (size_t)(part - message));
    while (part) {
        alternative list[ALTERNATIVES];
        int cut;
        const char *text = part + 2, *next = strstr(text, "; "), *end = next ? next : text + strlen(text);
        int count = judge(text, end, list, &cut);
        if (count == 0 || !cut)
            out = append(out, part, (size_t)(end - part));
        else {
            char *start = append(out, "; ", 2), *done = join(list, count, start);
            out = done == start ? out : done;
            changed = 1;
        }
        part = next;
    }
    *out = 0;
    return changed ? buffer : message;
}
