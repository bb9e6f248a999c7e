/* roles.c - which column of a table is the position, the mass, ...: by the names that the
 * formats of this field use. */
#include "mpi/kernel/roles.h"

#include <string.h>
#include <strings.h>

/* In the order of preference; the first that is there counts. */
static const char *const position_names[] = {
    "pos", "position", "Coordinates", "GroupPos", "SubhaloPos", "centre", "center", NULL};
static const char *const velocity_names[] = {"velocity", "vel",        "Velocities",
                                             "GroupVel", "SubhaloVel", NULL};
static const char *const mass_names[] = {"mass", "Masses", "GroupMass", "SubhaloMass",
                                         NULL};
static const char *const id_names[] = {"id",       "ParticleIDs", "haloId",
                                       "galaxyId", "fofid",       NULL};
static const char *const weight_names[] = {"weight", "weights", NULL};

/* Three columns that make a vector. */
static const char *const position_parts[][3] = {
    {"x", "y", "z"}, {"pos_x", "pos_y", "pos_z"}, {"posX", "posY", "posZ"}};
static const char *const velocity_parts[][3] = {
    {"vx", "vy", "vz"}, {"velX", "velY", "velZ"}, {"vel_x", "vel_y", "vel_z"}};

static const struct {
    const char *word, *param;
    bool vector;
    const char *const *names;
    const char *const (*parts)[3];
    size_t nparts;
} roles[PERI_NROLES] = {
    [PERI_ROLE_POSITION] = {"position", "pos", true, position_names, position_parts, 3},
    [PERI_ROLE_VELOCITY] = {"velocity", "vel", true, velocity_names, velocity_parts, 3},
    [PERI_ROLE_MASS] = {"mass", "mass", false, mass_names, NULL, 0},
    [PERI_ROLE_ID] = {"id", "id", false, id_names, NULL, 0},
    [PERI_ROLE_WEIGHT] = {"weight", "weight", false, weight_names, NULL, 0},
};

const char *peri_role_name(peri_role_t role)
{
    return roles[role].word;
}

const char *peri_role_param(peri_role_t role)
{
    return roles[role].param;
}

bool peri_role_is_vector(peri_role_t role)
{
    return roles[role].vector;
}

static const peri_lookcol_t *find(const peri_look_t *look, const char *name)
{
    for (size_t i = 0; i < look->ncolumns; i++)
        if (strcasecmp(look->columns[i].name, name) == 0) return &look->columns[i];
    return NULL;
}

static const char *quoted(peri_arena_t *arena, const char *name)
{
    peri_buf_t b;
    peri_buf_init(&b, 4096);
    peri_buf_put_quoted(&b, name, '"');
    const char *text = peri_arena_strdup(arena, b.data ? b.data : "\"\"");
    peri_buf_free(&b);
    return text;
}

const char *peri_role_sql(peri_role_t role, const peri_look_t *look, peri_arena_t *arena,
                          const peri_lookcol_t **column)
{
    const bool vector = roles[role].vector;
    for (const char *const *name = roles[role].names; *name; name++) {
        const peri_lookcol_t *c = find(look, *name);
        const bool list = c && vector && c->type == DUCKDB_TYPE_LIST; /* [x, y, z] */
        if (!c || (!list && c->width != (vector ? 3 : 1))) continue;
        *column = c;
        return list ? peri_arena_printf(arena, "CAST(%s AS DOUBLE[3])",
                                        quoted(arena, c->name))
                    : quoted(arena, c->name);
    }
    for (size_t i = 0; i < roles[role].nparts; i++) {
        const peri_lookcol_t *c[3];
        for (size_t k = 0; k < 3; k++) c[k] = find(look, roles[role].parts[i][k]);
        if (!c[0] || !c[1] || !c[2]) continue;
        *column = c[0];
        return peri_arena_printf(arena, "array_value(%s::DOUBLE, %s::DOUBLE, %s::DOUBLE)",
                                 quoted(arena, c[0]->name), quoted(arena, c[1]->name),
                                 quoted(arena, c[2]->name));
    }
    return NULL;
}
