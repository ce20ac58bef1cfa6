/* grid: the index of a point is read as a number whose digits are the indices into the lists of the sweep. */
#include "experiment/grid.h"

#include <string.h>

#include "base/json_syntax.h"

typedef struct Axis {
    const char *path;
    const Json *values;
    int count, stride; /* the point's value is number index / stride % count */
} Axis;

struct Grid {
    const Json *experiment, *exclude;
    const char *source;
    Axis *axis;
    int *order; /* in which the axes are applied: outer paths before inner ones */
    int axis_count, count;
    bool *used; /* entries of `exclude` that matched */
};

/* Whether path `inner` is `outer` or inside it. */
static bool leads_through(const char *inner, const char *outer) {
    size_t size = strlen(outer);
    return strncmp(inner, outer, size) == 0 && (inner[size] == '\0' || inner[size] == '.');
}

/* ---- overriding ---- */

/* What the text behind the equals sign means; NULL: an error. Only what cannot be a word must be JSON: that
   begins as a list, an object or a text, or is a whole number. */
static Json *parse_value(const char *text, const char *path, Arena *arena, Error *err) {
    char word[JSON_EXCERPT_SIZE], where[2 * JSON_EXCERPT_SIZE];
    snprintf(where, sizeof where, "--set %s", json_excerpt_text(path, word));
    Json *value = json_parse(text, strlen(text), where, arena, err);
    const char *digits = text + (*text == '-');
    bool whole = *digits && *digits != '0' && strspn(digits, "0123456789") == strlen(digits);
    if (value || whole || (*text && strchr("{[\"", *text))) return value;
    return json_syntax_check_utf8(text, strlen(text), where, err) ? json_new_text(text, arena) : NULL;
}

/* Replaces the values of an axis by copies in which `path`, somewhere below the axis, is set. */
static bool set_inside(Json *sweep, const char *axis, const char *path, const Json *value, const char *source,
                       Error *err) {
    const Json *values = json_get(sweep, axis);
    Arena *arena = json_arena(sweep);
    Json *changed = json_new_array(arena), *root = json_new_object(arena);
    for (int i = 0; i < json_count(values); i++) {
        if (!json_set_path(root, axis, json_copy(json_at(values, i), arena), source, err) ||
            !json_set_path(root, path, json_copy(value, arena), source, err))
            return false;
        json_append(changed, json_copy(json_at_path(root, axis), arena));
    }
    json_set(sweep, axis, changed);
    return true;
}

static bool set_in_sweep(Json *sweep, const char *path, const Json *value, const char *source, Error *err) {
    for (int i = 0; i < json_count(sweep); i++) {
        const char *axis = json_key(sweep, i);
        bool inside =
            strcmp(axis, path) != 0 && leads_through(path, axis) && json_is_array(json_member(sweep, i));
        if (inside && !set_inside(sweep, axis, path, value, source, err)) return false;
    }
    json_remove(sweep, path);
    return true;
}

bool grid_set(Json *experiment, const char *path, Json *value, const char *source, Error *err) {
    bool axis = strncmp(path, "sweep.", 6) == 0;
    if (axis && !json_get(experiment, "sweep"))
        json_set(experiment, "sweep", json_new_object(json_arena(experiment)));
    Json *sweep = json_get_mutable(experiment, "sweep");
    if (axis && json_is_object(sweep)) {
        json_set(sweep, path + 6, value);
        return true;
    }
    return (!json_is_object(sweep) || set_in_sweep(sweep, path, value, source, err)) &&
           json_set_path(experiment, path, value, source, err);
}

bool grid_override(Json *experiment, const char *assignment, const char *source, Error *err) {
    char path[256];
    const char *equals = strchr(assignment, '=');
    size_t size = equals ? (size_t)(equals - assignment) : 0;
    if (size == 0 || size >= sizeof path) {
        char word[JSON_EXCERPT_SIZE];
        return error_set(err, EXIT_USAGE, "--set '%s': write path=value, as in train.seed=2",
                         json_excerpt_text(assignment, word));
    }
    memcpy(path, assignment, size);
    path[size] = '\0';
    Json *value = parse_value(equals + 1, path, json_arena(experiment), err);
    return value && grid_set(experiment, path, value, source, err);
}

/* ---- the product ---- */

/* The experiment's name belongs to all points, and sweeps do not nest. */
static const char *const not_swept[] = {"name", "sweep", "exclude"};

static bool axis_read(Grid *axes, int index, const Json *sweep, Error *err) {
    char path[JSON_EXCERPT_SIZE + 8] = "sweep.";
    const char *name = json_key(sweep, index), *source = axes->source;
    const Json *values = json_member(sweep, index);
    int count = json_count(values);
    json_excerpt_text(name, path + strlen(path));
    for (int i = 0; i < COUNT_OF(not_swept); i++)
        if (leads_through(name, not_swept[i]))
            return error_set(err, EXIT_USAGE, "%s: '%s': this cannot be swept; remove it", source, path);
    if (!json_is_array(values)) return json_value_error(values, source, path, "a list of values", err);
    if (count == 0)
        return error_set(err, EXIT_USAGE, "%s: '%s' is an empty list; give it values or remove it", source,
                         path);
    if (axes->count > GRID_MAX_POINTS / count)
        return error_set(err, EXIT_USAGE,
                         "%s: 'sweep' has more than %d points; shorten a list or cut the experiment", source,
                         GRID_MAX_POINTS);
    axes->axis[index] = (Axis){.path = name, .values = values, .count = count};
    axes->count *= count;
    return true;
}

static bool sweep_read(Grid *axes, const Json *sweep, Arena *arena, Error *err) {
    int count = axes->axis_count = json_count(sweep);
    if (sweep && !json_is_object(sweep))
        return json_value_error(sweep, axes->source, "sweep", "an object of path: list of values", err);
    if (count > GRID_MAX_PATHS)
        return error_set(err, EXIT_USAGE, "%s: 'sweep' must have at most %d paths, got %d", axes->source,
                         GRID_MAX_PATHS, count);
    axes->count = 1;
    axes->axis = NEW(arena, count, Axis);
    for (int i = 0; i < count; i++)
        if (!axis_read(axes, i, sweep, err)) return false;
    for (int i = count - 1, stride = 1; i >= 0; i--) {
        axes->axis[i].stride = stride;
        stride *= axes->axis[i].count;
    }
    axes->order = NEW(arena, count, int); /* by length: an outer path is shorter than its inner ones */
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && strlen(axes->axis[axes->order[at - 1]].path) > strlen(axes->axis[i].path); at--)
            axes->order[at] = axes->order[at - 1];
        axes->order[at] = i;
    }
    return true;
}

static bool exclude_read(Grid *axes, const Json *exclude, Arena *arena, Error *err) {
    int count = json_count(exclude);
    if (exclude && !json_is_array(exclude))
        return json_value_error(exclude, axes->source, "exclude", "a list of objects", err);
    if (count > GRID_MAX_EXCLUDED)
        return error_set(err, EXIT_USAGE, "%s: 'exclude' must have at most %d entries, got %d", axes->source,
                         GRID_MAX_EXCLUDED, count);
    for (int i = 0; i < count; i++) {
        char path[32];
        const Json *entry = json_at(exclude, i);
        snprintf(path, sizeof path, "exclude[%d]", i);
        if (!json_is_object(entry))
            return json_value_error(entry, axes->source, path, "an object of path: value", err);
        if (json_count(entry) == 0)
            return error_set(err, EXIT_USAGE, "%s: '%s' is empty; name a path and its value", axes->source,
                             path);
    }
    axes->exclude = exclude;
    axes->used = NEW(arena, count, bool);
    return true;
}

Grid *grid_new(const Json *experiment, const char *source, Arena *arena, Error *err) {
    Grid *axes = NEW(arena, 1, Grid);
    axes->experiment = experiment;
    axes->source = source;
    bool read = sweep_read(axes, json_get(experiment, "sweep"), arena, err) &&
                exclude_read(axes, json_get(experiment, "exclude"), arena, err);
    return read ? axes : NULL;
}

int grid_count(const Grid *axes) {
    return axes->count;
}

static const Json *axis_value(const Axis *axis, int index) {
    return json_at(axis->values, index / axis->stride % axis->count);
}

Json *grid_point(const Grid *axes, int index, Arena *arena, Error *err) {
    Json *point = json_copy(axes->experiment, arena);
    json_remove(point, "sweep");
    json_remove(point, "exclude");
    for (int i = 0; i < axes->axis_count; i++) {
        const Axis *axis = &axes->axis[axes->order[i]];
        Json *value = json_copy(axis_value(axis, index), arena);
        if (!json_set_path(point, axis->path, value, axes->source, err)) return NULL;
    }
    return point;
}

const char *grid_describe(const Grid *axes, int index, Arena *arena) {
    const char *text = "";
    char word[JSON_EXCERPT_SIZE], value[JSON_EXCERPT_SIZE];
    for (int i = 0; i < axes->axis_count; i++) {
        const Json *json = axis_value(&axes->axis[i], index);
        const char *name = json_text(json_is_object(json) ? json_get(json, "name") : json, NULL);
        text =
            arena_format(arena, "%s%s%s=%s", text, i ? ", " : "", json_excerpt_text(axes->axis[i].path, word),
                         name ? json_excerpt_text(name, value) : json_excerpt(json, value));
    }
    return text;
}

/* ---- exclusion ---- */

static bool matches(const Json *pattern, const Json *value) {
    int count = json_count(pattern);
    if (json_is_text(pattern)) {
        const char *text = json_text(json_is_object(value) ? json_get(value, "name") : value, NULL);
        return text && strcmp(text, json_text(pattern, "")) == 0;
    }
    if (json_is_number(pattern))
        return json_is_number(value) && json_number(pattern, 0) == json_number(value, 0);
    if (json_is_bool(pattern)) return json_is_bool(value) && json_bool(pattern) == json_bool(value);
    if (json_is_array(pattern)) {
        bool same = json_is_array(value) && json_count(value) == count;
        for (int i = 0; same && i < count; i++) same = matches(json_at(pattern, i), json_at(value, i));
        return same;
    }
    bool same = json_is_object(pattern);
    for (int i = 0; same && i < count; i++) {
        const char *key = json_key(pattern, i);
        const Json *member = json_get(value, key);
        if (!member && json_is_text(value) && strcmp(key, "name") == 0) member = value;
        same = member && matches(json_member(pattern, i), member);
    }
    return same;
}

bool grid_excluded(Grid *axes, const Json *point) {
    bool excluded = false;
    for (int i = 0; i < json_count(axes->exclude); i++) {
        const Json *entry = json_at(axes->exclude, i);
        bool all = true;
        for (int k = 0; all && k < json_count(entry); k++) {
            const Json *value = json_at_path(point, json_key(entry, k));
            all = value && matches(json_member(entry, k), value);
        }
        axes->used[i] |= all;
        excluded |= all;
    }
    return excluded;
}

bool grid_finish(const Grid *axes, Error *err) {
    for (int i = 0; i < json_count(axes->exclude); i++)
        if (!axes->used[i])
            return error_set(err, EXIT_USAGE,
                             "%s: 'exclude[%d]' matches no point of the sweep; correct or remove it",
                             axes->source, i);
    return true;
}
