/* places.c - see places.h.
 *
 * Which datasets a step reads is only guessed here, from its context, its "data" and the
 * names before a dot in its SQL or inputs: the daemon parses no user's SQL. A name that
 * is no dataset has no replicas; one too many costs freedom of placement, never rows.
 */
#include "portal/jobs/places.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/base/util.h"

#define MAX_NODES    4096
#define MAX_DATASETS 64
#define NAME_MAX_DS  63

typedef struct file {
    const char *name;
    bool shared;
    uint16_t *nodes; /* indexes into places_t.node */
    size_t nnodes;
} file_t;

typedef struct {
    peri_arena_t *arena;
    const char *dataset[MAX_DATASETS];
    size_t ndatasets;
    const char *node[MAX_NODES];
    bool known[MAX_NODES]; /* the scheduler has it */
    bool chosen[MAX_NODES];
    size_t nnodes;
    file_t *file;
    size_t nfiles, cap;
    size_t first; /* file of the dataset being read */
} places_t;

/* ---- which datasets ---- */

static void add_dataset(places_t *p, const char *name, size_t len)
{
    if (len == 0 || len > NAME_MAX_DS || p->ndatasets == MAX_DATASETS) return;
    char low[NAME_MAX_DS + 1];
    for (size_t i = 0; i < len; i++) low[i] = (char)tolower((unsigned char)name[i]);
    low[len] = '\0';
    for (size_t i = 0; i < p->ndatasets; i++)
        if (!strcmp(p->dataset[i], low)) return;
    p->dataset[p->ndatasets++] = peri_arena_strdup(p->arena, low);
}

static void scan(places_t *p, const char *text)
{
    for (const char *s = text; *s;) {
        if (!isalpha((unsigned char)*s) && *s != '_') {
            s++;
            continue;
        }
        const char *from = s;
        while (isalnum((unsigned char)*s) || *s == '_') s++;
        size_t len = (size_t)(s - from);
        if (*s == '"') s++;
        if (*s == '.') add_dataset(p, from, len);
    }
}

static void find_datasets(places_t *p, const peri_step_t *step)
{
    peri_stepdata_t data = peri_plan_data(step, p->arena);
    for (size_t i = 0; i < data.n; i++)
        add_dataset(p, data.names[i], strcspn(data.names[i], "."));
    for (size_t i = 0; i < data.ntexts; i++) scan(p, data.texts[i]);
}

/* ---- who holds what ---- */

static uint16_t node_index(places_t *p, const char *name)
{
    size_t i = 0;
    while (i < p->nnodes && strcmp(p->node[i], name)) i++;
    if (i == p->nnodes && i < MAX_NODES)
        p->node[p->nnodes++] = peri_arena_strdup(p->arena, name);
    return (uint16_t)(i < MAX_NODES ? i : MAX_NODES - 1);
}

/* Replicas come sorted by file. */
static int on_replica(const peri_replica_t *r, void *arg)
{
    places_t *p = arg;
    file_t *f = p->nfiles > p->first ? &p->file[p->nfiles - 1] : NULL;
    if (!f || strcmp(f->name, r->file)) {
        if (p->nfiles == p->cap) {
            p->cap = p->cap ? 2 * p->cap : 64;
            p->file = peri_xrealloc(p->file, p->cap, sizeof(*p->file));
        }
        f = &p->file[p->nfiles++];
        *f = (file_t){.name = peri_arena_strdup(p->arena, r->file)};
    }
    if (!*r->node) {
        f->shared = true;
        return 0;
    }
    uint16_t *nodes = peri_arena_calloc(p->arena, f->nnodes + 1, sizeof(*nodes));
    if (f->nnodes) memcpy(nodes, f->nodes, f->nnodes * sizeof(*nodes));
    nodes[f->nnodes++] = node_index(p, r->node);
    f->nodes = nodes;
    return 0;
}

static bool covered(const places_t *p, const file_t *f)
{
    bool any = f->shared;
    for (size_t i = 0; i < f->nnodes; i++) any |= p->chosen[f->nodes[i]];
    return any;
}

/* Greedy: always the node that holds most of what no chosen one does. */
static void choose(places_t *p)
{
    size_t *count = peri_xcalloc(p->nnodes + 1, sizeof(*count));
    for (;;) {
        size_t best = 0;
        memset(count, 0, p->nnodes * sizeof(*count));
        for (size_t i = 0; i < p->nfiles; i++)
            for (size_t j = 0; !covered(p, &p->file[i]) && j < p->file[i].nnodes; j++)
                count[p->file[i].nodes[j]]++;
        for (size_t i = 0; i < p->nnodes; i++)
            if (count[i] > count[best]) best = i;
        if (p->nnodes == 0 || count[best] == 0) break;
        p->chosen[best] = true;
    }
    free(count);
}

/* ---- nodes that the scheduler has ---- */

static void on_node(const char *name, void *arg)
{
    places_t *p = arg;
    for (size_t i = 0; i < p->nnodes; i++)
        if (!strcmp(p->node[i], name)) p->known[i] = true;
}

static int find_known(places_t *p, peri_sched_t *sched, const peri_schedcaps_t *caps,
                      peri_err_t *err)
{
    char host[256] = "";
    if (!caps)
        return peri_err_set(err, PERI_EIO,
                            "the scheduler does not say which nodes it has");
    if (caps->multi_node) return peri_sched_nodes(sched, on_node, p, err);
    gethostname(host, sizeof(host) - 1);
    on_node(host, p);
    return 0;
}

/* Copies on nodes that the scheduler does not have are none. */
static int drop_unknown(places_t *p, const char *scheduler, peri_err_t *err)
{
    const file_t *lost = NULL;
    size_t nlost = 0;
    char more[64] = "";
    for (size_t i = 0; i < p->nfiles; i++) {
        file_t *f = &p->file[i];
        size_t n = 0;
        for (size_t k = 0; k < f->nnodes; k++)
            if (p->known[f->nodes[k]]) n++;
        if (n == 0 && !f->shared) {
            lost = lost ? lost : f;
            nlost++;
            continue;
        }
        for (size_t k = 0, to = 0; k < f->nnodes; k++)
            if (p->known[f->nodes[k]]) f->nodes[to++] = f->nodes[k];
        f->nnodes = n;
    }
    if (!lost) return 0;
    if (nlost > 1) snprintf(more, sizeof(more), " and %zu more", nlost - 1);
    return peri_err_set(
        err, PERI_EINVAL,
        "the data is not all within reach of the scheduler \"%s\": the file %s lies on "
        "node "
        "%s only%s; choose another with --scheduler, or say where the files are now with "
        "'perigee locate'",
        scheduler, lost->name, p->node[lost->nodes[0]], more);
}

int peri_places_find(peri_db_t *db, const peri_step_t *step, peri_sched_t *sched,
                     const peri_schedcaps_t *caps, peri_places_t *out,
                     peri_arena_t *arena, peri_err_t *err)
{
    places_t *p = peri_xcalloc(1, sizeof(*p));
    int rc = -1;
    p->arena = arena;
    memset(out, 0, sizeof(*out));
    find_datasets(p, step);
    for (size_t i = 0; i < p->ndatasets; i++) {
        p->first = p->nfiles;
        if (peri_store_replicas(db, p->dataset[i], on_replica, p, err)) goto out;
    }
    rc = 0;
    if (p->nnodes == 0) goto out;
    rc = find_known(p, sched, caps, err);
    if (rc == 0) rc = drop_unknown(p, caps->name, err);
    if (rc || !caps->multi_node) goto out;
    choose(p);
    for (size_t i = 0; i < p->nnodes; i++) out->hard |= p->chosen[i];
    const char **nodes = peri_arena_calloc(arena, p->nnodes, sizeof(*nodes));
    for (size_t i = 0; i < p->nnodes; i++)
        if (p->known[i] && (!out->hard || p->chosen[i]))
            nodes[out->nnodes++] = p->node[i];
    out->nodes = nodes;
out:
    free(p->file);
    free(p);
    return rc;
}
