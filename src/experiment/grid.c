/* grid: a block is one object of the sweep. The index of a point in its block is a number in mixed radix;
 * its digits are the indices into the lists of the block.
 */
#include "experiment/grid.h"

#include <string.h>

#include "base/json_syntax.h"

typedef struct Axis {
    const char *path;
    const Json *values;
    int count, stride; /* a point has value index / stride % count */
} Axis;

typedef struct Block {
    const char *path; /* "sweep" or "sweep[1]" */
    Axis *axis;
    int *order; /* the order in which axes are applied: outer paths before inner ones */
    int axis_count, count;
} Block;

struct Grid {
    const Json *experiment, *exclude;
    const char *source;
    Block *blocks;
    int block_count, count; /* number of blocks; number of points in all blocks */
    bool *used;             /* [entries of `exclude`] whether the entry matched a point */
};

/* Whether path `inner` equals `outer` or is inside it. */
static bool leads_through(const char *inner, const char *outer) {
    size_t size = strlen(outer);
    return strncmp(inner, outer, size) == 0 && (inner[size] == '\0' || inner[size] == '.');
}

/* ---- overriding ---- */

/* Parses a value of --set; NULL on error. It must be valid JSON if it begins like a list, an object or a
   text, or is a whole number; any other invalid JSON is a text. */
static Json *parse_value(const char *text, const char *path, Arena *arena, Error *err) {
    char word[JSON_EXCERPT_SIZE], where[2 * JSON_EXCERPT_SIZE];
    snprintf(where, sizeof where, "--set %s", json_excerpt_text(path, word));
    Json *value = json_parse(text, strlen(text), where, arena, err);
    const char *digits = text + (*text == '-');
    bool whole = *digits && *digits != '0' && strspn(digits, "0123456789") == strlen(digits);
    if (value || whole || (*text && strchr("{[\"", *text))) return value;
    return json_syntax_check_utf8(text, strlen(text), where, err) ? json_new_text(text, arena) : NULL;
}

/* Replaces the values of an axis by copies with `path`, a path inside the axis, set. */
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

/* Sets a path in one block. */
static bool set_in_block(Json *block, const char *path, const Json *value, const char *source, Error *err) {
    for (const Json *next, *values = json_first(block); values; values = next) {
        const char *axis = json_name(values);
        next = json_next(values); /* set_inside replaces the values */
        bool inside = strcmp(axis, path) != 0 && leads_through(path, axis) && json_is_array(values);
        if (inside && !set_inside(block, axis, path, value, source, err)) return false;
    }
    json_remove(block, path);
    if (!strchr(path, '.')) return true;
    for (const Json *item = json_first(json_get(block, "method")); item; item = json_next(item))
        json_remove((Json *)item, path); /* removes the value that a method sets at this path */
    return true;
}

bool grid_set(Json *experiment, const char *path, Json *value, const char *source, Error *err) {
    bool axis = strncmp(path, "sweep.", 6) == 0;
    Json *sweep = json_get_mutable(experiment, "sweep"), *none = json_new_object(json_arena(experiment));
    if (axis && !sweep) json_set(experiment, "sweep", sweep = none);
    bool list = json_is_array(sweep);
    for (int i = 0, count = list ? json_count(sweep) : 1; i < count; i++) {
        Json *block = list ? (Json *)json_at(sweep, i) : sweep;
        if (!json_is_object(block)) continue;
        if (axis)
            json_set(block, path + 6, json_copy(value, json_arena(experiment)));
        else if (!set_in_block(block, path, value, source, err))
            return false;
    }
    if (axis && (list || json_is_object(sweep))) return true;
    if (strchr(path, '.')) json_remove(json_get_mutable(experiment, "method"), path);
    return json_set_path(experiment, path, value, source, err);
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

static bool too_many(const Grid *axes, Error *err) {
    return error_set(err, EXIT_USAGE,
                     "%s: 'sweep' has more than %d points; shorten a list or cut the experiment",
                     axes->source, GRID_MAX_POINTS);
}

/* All points have the name of the experiment, and sweeps cannot be nested. */
static const char *const not_swept[] = {"name", "sweep", "exclude"};

static bool axis_read(const Grid *axes, Block *block, Axis *axis, const Json *values, Error *err) {
    char path[JSON_EXCERPT_SIZE + 32], word[JSON_EXCERPT_SIZE];
    const char *name = json_name(values), *source = axes->source;
    int count = json_count(values);
    snprintf(path, sizeof path, "%s.%s", block->path, json_excerpt_text(name, word));
    for (int i = 0; i < COUNT_OF(not_swept); i++)
        if (leads_through(name, not_swept[i]))
            return error_set(err, EXIT_USAGE, "%s: '%s': this cannot be swept; remove it", source, path);
    if (!json_is_array(values)) return json_value_error(values, source, path, "a list of values", err);
    if (count == 0)
        return error_set(err, EXIT_USAGE, "%s: '%s' is an empty list; give it values or remove it", source,
                         path);
    if (block->count > GRID_MAX_POINTS / count) return too_many(axes, err);
    *axis = (Axis){.path = name, .values = values, .count = count};
    block->count *= count;
    return true;
}

static bool block_read(Grid *axes, Block *block, const Json *json, Arena *arena, Error *err) {
    int count = block->axis_count = json_count(json);
    if (json && !json_is_object(json))
        return json_value_error(json, axes->source, block->path, "an object of path: list of values", err);
    if (count > GRID_MAX_PATHS)
        return error_set(err, EXIT_USAGE, "%s: '%s' must have at most %d paths, got %d", axes->source,
                         block->path, GRID_MAX_PATHS, count);
    block->count = 1;
    block->axis = NEW(arena, count, Axis);
    Axis *axis = block->axis;
    for (const Json *values = json_first(json); values; values = json_next(values))
        if (!axis_read(axes, block, axis++, values, err)) return false;
    for (int i = count - 1, stride = 1; i >= 0; i--) {
        block->axis[i].stride = stride;
        stride *= block->axis[i].count;
    }
    /* sorted by length of the path: an outer path is shorter than its inner paths */
    block->order = NEW(arena, count, int);
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && strlen(block->axis[block->order[at - 1]].path) > strlen(block->axis[i].path); at--)
            block->order[at] = block->order[at - 1];
        block->order[at] = i;
    }
    axes->count += block->count;
    return axes->count <= GRID_MAX_POINTS || too_many(axes, err);
}

/* Reads one block or a list of blocks; without a sweep there is one block without paths. */
static bool sweep_read(Grid *axes, const Json *sweep, Arena *arena, Error *err) {
    bool list = json_is_array(sweep);
    if (list && !json_check_list(sweep, axes->source, "sweep", GRID_MAX_BLOCKS, err)) return false;
    axes->block_count = list ? json_count(sweep) : 1;
    axes->blocks = NEW(arena, axes->block_count, Block);
    for (int i = 0; i < axes->block_count; i++) {
        axes->blocks[i].path = list ? arena_format(arena, "sweep[%d]", i) : "sweep";
        if (!block_read(axes, &axes->blocks[i], list ? json_at(sweep, i) : sweep, arena, err)) return false;
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

/* The block of a point; *index becomes the index in the block. */
static const Block *block_of(const Grid *axes, int *index) {
    const Block *block = axes->blocks;
    for (; *index >= block->count; block++) *index -= block->count;
    return block;
}

static const Json *axis_value(const Axis *axis, int index) {
    return json_at(axis->values, index / axis->stride % axis->count);
}

/* Sets the keys of the point's method that are paths (have dots). */
static bool apply_overrides(const Grid *axes, const Block *block, Json *point, Error *err) {
    Json *method = json_get_mutable(point, "method");
    for (const Json *next, *member = json_first(json_is_object(method) ? method : NULL); member;
         member = next) {
        const char *path = json_name(member);
        next = json_next(member);
        if (!strchr(path, '.')) continue;
        char word[JSON_EXCERPT_SIZE];
        bool own = leads_through(path, "method"), varied = own;
        for (int i = 0; i < block->axis_count; i++) varied |= leads_through(block->axis[i].path, path);
        if (varied)
            return error_set(err, EXIT_USAGE, "%s: 'method' cannot set '%s'%s", axes->source,
                             json_excerpt_text(path, word),
                             own ? "; write the key without 'method.'"
                                 : ", which 'sweep' varies; remove one of the two");
        if (!json_set_path(point, path, json_copy(member, json_arena(point)), axes->source, err))
            return false;
        json_remove(method, path);
    }
    return true;
}

Json *grid_point(const Grid *axes, int index, Arena *arena, Error *err) {
    const Block *block = block_of(axes, &index);
    Json *point = json_copy(axes->experiment, arena);
    json_remove(point, "sweep");
    json_remove(point, "exclude");
    for (int i = 0; i < block->axis_count; i++) {
        const Axis *axis = &block->axis[block->order[i]];
        Json *value = json_copy(axis_value(axis, index), arena);
        if (!json_set_path(point, axis->path, value, axes->source, err)) return NULL;
    }
    return apply_overrides(axes, block, point, err) ? point : NULL;
}

const char *grid_describe(const Grid *axes, int index, Arena *arena) {
    const Block *block = block_of(axes, &index);
    const char *text = "";
    char word[JSON_EXCERPT_SIZE], value[JSON_EXCERPT_SIZE];
    for (int i = 0; i < block->axis_count; i++) {
        const Json *json = axis_value(&block->axis[i], index);
        const char *name = json_text(json_is_object(json) ? json_get(json, "name") : json, NULL);
        text = arena_format(arena, "%s%s%s=%s", text, i ? ", " : "",
                            json_excerpt_text(block->axis[i].path, word),
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
    for (const Json *each = json_first(pattern); same && each; each = json_next(each)) {
        const Json *member = json_get(value, json_name(each));
        if (!member && json_is_text(value) && strcmp(json_name(each), "name") == 0) member = value;
        same = member && matches(each, member);
    }
    return same;
}

bool grid_matches(const Json *values, const Json *point) {
    bool all = true;
    for (const Json *each = json_first(values); all && each; each = json_next(each)) {
        const Json *value = json_at_path(point, json_name(each));
        all = value && matches(each, value);
    }
    return all;
}

bool grid_excluded(Grid *axes, const Json *point) {
    bool excluded = false;
    for (int i = 0; i < json_count(axes->exclude); i++) {
        bool all = grid_matches(json_at(axes->exclude, i), point);
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
