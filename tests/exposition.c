#include "exposition.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#include <cmocka.h>
// clang-format on

#define FAMILIES_MAX 256
#define SAMPLES_MAX  8192
#define NAME_MAX_    128
#define LE_MAX       64
#define KEY_MAX      512

struct family {
    char name[NAME_MAX_], type[16];
};

/* One labelled series of a histogram, as its buckets come. */
struct series {
    char labels[KEY_MAX]; /* without le */
    double bound, cumulative, count;
    bool has_inf, has_sum, has_count;
};

struct reader {
    struct family families[FAMILIES_MAX];
    size_t family_count;
    char help_name[NAME_MAX_]; /* of the HELP line that TYPE must follow */
    char (*keys)[KEY_MAX];
    size_t sample_count;
    struct series series[64]; /* of the histogram that is being read */
    size_t series_count;
    const char *line;
};

static void must(const struct reader *r, bool is_good, const char *what)
{
    if (!is_good)
        fail_msg("%s: %.*s", what, (int)strcspn(r->line, "\n"), r->line);
}

static const char *read_name(const struct reader *r, const char *at, bool has_colon, char *ret_name)
{
    size_t n = 0;
    must(r, isalpha((unsigned char)*at) || *at == '_', "a name begins with a letter");
    for (; isalnum((unsigned char)*at) || *at == '_' || (has_colon && *at == ':'); at++) {
        must(r, n + 1 < NAME_MAX_, "a name is too long");
        ret_name[n++] = *at;
    }
    ret_name[n] = '\0';
    return at;
}

static void end_family(struct reader *r)
{
    for (size_t i = 0; i < r->series_count; i++)
        must(r, r->series[i].has_inf && r->series[i].has_sum && r->series[i].has_count,
             "the histogram above is not whole");
    r->series_count = 0;
}

static void read_comment(struct reader *r)
{
    char kind[8] = "", name[NAME_MAX_], type[16] = "";
    const char *at = r->line + 2;
    must(r, strncmp(at, "HELP ", 5) == 0 || strncmp(at, "TYPE ", 5) == 0, "HELP or TYPE expected");
    memcpy(kind, at, 4);
    at = read_name(r, at + 5, true, name);
    must(r, *at == ' ', "a blank after the name");
    if (strcmp(kind, "HELP") == 0) {
        end_family(r);
        for (size_t i = 0; i < r->family_count; i++)
            must(r, strcmp(r->families[i].name, name) != 0, "HELP twice");
        must(r, r->help_name[0] == '\0', "HELP without TYPE before");
        strcpy(r->help_name, name);
        return;
    }
    must(r, strcmp(r->help_name, name) == 0, "TYPE does not follow its HELP");
    r->help_name[0] = '\0';
    must(r, sscanf(at + 1, "%15[a-z]", type) == 1 && at[1 + strlen(type)] == '\n', "bad TYPE");
    must(r,
         strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
             strcmp(type, "histogram") == 0,
         "unknown TYPE");
    must(r, r->family_count < FAMILIES_MAX, "too many families");
    strcpy(r->families[r->family_count].name, name);
    strcpy(r->families[r->family_count++].type, type);
}

/* name="escaped value"; `le` is taken out of `ret_labels`. */
static const char *read_label(struct reader *r, const char *at, char *ret_labels, char *ret_le)
{
    char name[NAME_MAX_], value[KEY_MAX];
    size_t n = 0;
    at = read_name(r, at, false, name);
    must(r, at[0] == '=' && at[1] == '"', "=\" expected");
    for (at += 2; *at != '"'; at++) {
        must(r, *at != '\n' && *at != '\0' && n + 2 < sizeof(value), "the value does not end");
        if (*at == '\\') {
            must(r, at[1] == '\\' || at[1] == '"' || at[1] == 'n', "unknown escape");
            value[n++] = *at++;
        }
        value[n++] = *at;
    }
    value[n] = '\0';
    if (strcmp(name, "le") == 0) {
        must(r, n < LE_MAX, "le is too long");
        memcpy(ret_le, value, n + 1);
        return at + 1;
    }
    size_t used = strlen(ret_labels);
    must(r, used + n + strlen(name) + 4 < KEY_MAX, "labels are too long");
    snprintf(ret_labels + used, KEY_MAX - used, "%s=\"%s\",", name, value);
    return at + 1;
}

static struct series *series_of(struct reader *r, const char *labels)
{
    for (size_t i = 0; i < r->series_count; i++)
        if (strcmp(r->series[i].labels, labels) == 0)
            return &r->series[i];
    must(r, r->series_count < 64, "too many series");
    struct series *s = &r->series[r->series_count++];
    memset(s, 0, sizeof(*s));
    strcpy(s->labels, labels);
    s->bound = -INFINITY;
    return s;
}

static void read_histogram(struct reader *r, const char *suffix, const char *labels, const char *le,
                           double value)
{
    struct series *s = series_of(r, labels);
    if (strcmp(suffix, "_bucket") == 0) {
        double bound = strcmp(le, "+Inf") == 0 ? INFINITY : atof(le);
        must(r, le[0] != '\0' && bound > s->bound, "buckets rise");
        must(r, value >= s->cumulative, "buckets are cumulative");
        s->bound = bound;
        s->cumulative = value;
        s->has_inf = isinf(bound);
    } else if (strcmp(suffix, "_sum") == 0) {
        s->has_sum = true;
    } else {
        must(r, strcmp(suffix, "_count") == 0, "not a part of a histogram");
        must(r, s->has_inf && value == s->cumulative, "+Inf equals the count");
        s->has_count = true;
    }
}

static void read_sample(struct reader *r)
{
    char name[NAME_MAX_], labels[KEY_MAX] = "", le[LE_MAX] = "";
    must(r, r->family_count > 0 && r->help_name[0] == '\0', "a sample without TYPE");
    const struct family *f = &r->families[r->family_count - 1];
    const char *at = read_name(r, r->line, true, name);
    bool is_histogram = strcmp(f->type, "histogram") == 0;
    size_t length = strlen(f->name);
    must(r, strncmp(name, f->name, length) == 0 && (is_histogram || name[length] == '\0'),
         "a sample of another family");
    if (strcmp(f->type, "counter") == 0)
        must(r, length > 6 && strcmp(f->name + length - 6, "_total") == 0,
             "counters end in _total");
    if (*at == '{') {
        do
            at = read_label(r, at + 1, labels, le);
        while (*at == ',');
        must(r, *at++ == '}', "} expected");
    }
    must(r, *at == ' ', "a blank before the value");
    must(r, r->sample_count < SAMPLES_MAX && at - r->line < KEY_MAX, "too many or too long");
    char *key = r->keys[r->sample_count];
    memcpy(key, r->line, (size_t)(at - r->line));
    key[at - r->line] = '\0';
    for (size_t i = 0; i < r->sample_count; i++)
        must(r, strcmp(r->keys[i], key) != 0, "a sample twice");
    r->sample_count++;
    char *end;
    double value = strtod(at + 1, &end);
    must(r, end > at + 1 && *end == '\n' && isfinite(value), "a number and the line's end");
    must(r, value >= 0, "nothing here is negative");
    if (is_histogram)
        read_histogram(r, name + length, labels, le, value);
}

size_t exposition_check(const char *text)
{
    struct reader *r = calloc(1, sizeof(*r));
    r->keys = calloc(SAMPLES_MAX, KEY_MAX);
    r->line = text;
    must(r, text[0] != '\0' && text[strlen(text) - 1] == '\n', "the last line has no end");
    for (; *r->line != '\0'; r->line = strchr(r->line, '\n') + 1) {
        if (r->line[0] == '#')
            read_comment(r);
        else
            read_sample(r);
    }
    end_family(r);
    size_t count = r->sample_count;
    free(r->keys);
    free(r);
    return count;
}

double exposition_value(const char *text, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = text; (at = strstr(at, key)) != NULL; at++)
        if ((at == text || at[-1] == '\n') && at[length] == ' ')
            return atof(at + length);
    fail_msg("no sample %s", key);
    return 0;
}

double exposition_sum(const char *text, const char *prefix, const char *part)
{
    double sum = 0;
    for (const char *at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        const char *end = strchr(at, '\n');
        const char *blank = end;
        while (blank > at && *blank != ' ')
            blank--;
        if (strncmp(at, prefix, strlen(prefix)) != 0)
            continue;
        const char *found = strstr(at, part);
        if (found != NULL && found <= blank)
            sum += atof(blank);
    }
    return sum;
}
