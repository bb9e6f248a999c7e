/* replicas.c - see replicas.h. On all nodes a job makes the lists, one file a node in its
 * results folder, and they are handed on from here: nodes cannot reach perigeed's socket.
 */
#include "cli/replicas.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/follow.h"
#include "cli/post.h"
#include "core/base/util.h"
#include "core/table/table.h"
#include "jobs/spec/spec.h"

#define LIST_MAX  (256u << 20)
#define MAX_WORDS 12

/* ---- what is here ---- */

json_t *peri_replicas_look(const peri_dataset_t *d, const char *table, peri_err_t *err)
{
    peri_seenlist_t l = {0};
    if (peri_dataset_places(d, table, &l, err)) return NULL;
    json_t *lists[] = {json_array(), json_array()};
    for (size_t i = 0; i < l.n; i++) {
        const peri_seenfile_t *f = &l.v[i];
        json_t *o =
            json_pack("{s:s, s:s, s:I, s:I}", "file", f->file, "path", f->path, "size",
                      (json_int_t)f->size, "mtime_ns", (json_int_t)f->mtime_ns);
        /* NULL where a name is not UTF-8: JSON cannot tell it. */
        if (o) json_array_append_new(lists[f->on_node ? 0 : 1], o);
    }
    peri_seenlist_free(&l);
    return json_pack("{s:s, s:s, s:o, s:o}", "dataset", d->name, "node", peri_node_name(),
                     "local", lists[0], "shared", lists[1]);
}

int peri_replicas_save(const json_t *seen, const char *folder, peri_err_t *err)
{
    char *path = peri_xasprintf("%s/%s.json", folder, peri_json_str(seen, "node"));
    char *text = json_dumps(seen, JSON_COMPACT);
    int rc = peri_file_write_atomic(path, text, strlen(text), err);
    free(text);
    free(path);
    return rc;
}

/* ---- to the daemon ---- */

static int put(peri_client_t *c, const char *dataset, const char *node, json_t *files,
               bool *absent, peri_err_t *err)
{
    peri_answer_t a;
    char *d = peri_url_escape(dataset), *n = peri_url_escape(node);
    char *path = peri_xasprintf("/replicas/%s/%s", d, n);
    json_t *body = json_pack("{s:O}", "files", files);
    char *text = json_dumps(body, JSON_COMPACT);
    int rc = peri_client_call(
        c,
        &(peri_call_t){
            .method = "PUT", .path = path, .body = text, .body_len = strlen(text)},
        &a, err);
    if (absent) *absent = a.absent;
    peri_answer_free(&a);
    free(text);
    json_decref(body);
    free(path);
    free(n);
    free(d);
    return rc;
}

int peri_replicas_tell(peri_client_t *c, const json_t *seen, bool *absent,
                       peri_err_t *err)
{
    const char *dataset = peri_json_str(seen, "dataset"),
               *node = peri_json_str(seen, "node");
    json_t *local = json_object_get(seen, "local"),
           *shared = json_object_get(seen, "shared");
    if (!*dataset || !*node || !json_is_array(local) || !json_is_array(shared))
        return peri_err_set(err, PERI_EFORMAT, "a node's list of files is damaged");
    if (put(c, dataset, node, local, absent, err)) return -1;
    if (json_array_size(shared) && put(c, dataset, "-", shared, absent, err)) return -1;
    fprintf(stderr, "%s: %zu files of its own, %zu shared\n", node,
            json_array_size(local), json_array_size(shared));
    return 0;
}

/* ---- on all nodes ---- */

static long long count_nodes(peri_client_t *c, const char *scheduler, peri_err_t *err)
{
    json_t *s = peri_client_get(c, 0, NULL, err, "/status");
    if (!s) return -1;
    const char *want = scheduler ? scheduler : peri_json_str(s, "scheduler");
    const json_t *b;
    long long n = -1;
    size_t i;
    peri_err_set(err, PERI_EINVAL,
                 "there is no scheduler \"%s\"; 'perigee status' lists them", want);
    json_array_foreach(json_object_get(s, "schedulers"), i, b)
    {
        if (strcmp(peri_json_str(b, "name"), want) != 0) continue;
        n = peri_json_int(b, "nodes", 0);
        if (peri_json_true(b, "answers") && n > 0) break;
        peri_err_set(err, PERI_EIO, "%s does not say how many nodes it has now: %s", want,
                     peri_json_str(b, "text"));
        n = -1;
    }
    json_decref(s);
    return n;
}

/* The job's environment is not ours: where the descriptors are goes along. */
static json_t *submit(peri_client_t *c, const peri_everywhere_t *e, long long nodes,
                      peri_err_t *err)
{
    static const char *const names[] = {"PERIGEE_DATASETS", "PERIGEE_STATE"};
    char *self = realpath("/proc/self/exe", NULL), *mine[2] = {NULL, NULL};
    const char *words[MAX_WORDS + 8] = {"/usr/bin/env"};
    size_t n = 1;
    for (size_t i = 0; i < 2; i++)
        if (getenv(names[i]))
            words[n++] = mine[i] = peri_xasprintf("%s=%s", names[i], getenv(names[i]));
    words[n++] = "/bin/sh";
    words[n++] = "-c";
    words[n++] = "exec \"$0\" \"$@\" --save \"$PERIGEE_RESULTS\"";
    words[n++] = self ? self : "perigee";
    for (size_t i = 0; i < e->nwords && i < MAX_WORDS; i++) words[n++] = e->words[i];
    const peri_specopts_t so = {.name = e->words[0],
                                .scheduler = e->scheduler,
                                .nodes = (uint32_t)nodes,
                                .ranks = (uint32_t)nodes,
                                .cpus = e->threads,
                                .mpi = nodes > 1,
                                .restartable = true};
    peri_buf_t spec;
    peri_buf_init(&spec, PERI_SPEC_MAX);
    char *key = peri_key_new();
    json_t *job = NULL;
    if (peri_spec_from_command(words, n, NULL, &so, &spec, err) == 0)
        job = peri_client_post(
            c, &(peri_post_t){.path = "/jobs", .body = &spec, .key = key}, err);
    free(key);
    peri_buf_free(&spec);
    free(mine[0]);
    free(mine[1]);
    free(self);
    return job;
}

static int tell_file(peri_client_t *c, const char *folder, const char *name,
                     peri_err_t *err)
{
    char *path = peri_xasprintf("%s/%s", folder, name), *text = NULL;
    size_t len;
    int rc = peri_file_slurp(path, LIST_MAX, &text, &len, err);
    json_t *seen = rc ? NULL : json_loadb(text, len, 0, NULL);
    if (rc == 0) rc = peri_replicas_tell(c, seen, NULL, err);
    json_decref(seen);
    free(text);
    free(path);
    return rc;
}

/* The number of nodes that were told of, or -1. */
static long long tell_folder(peri_client_t *c, const char *folder, peri_err_t *err)
{
    DIR *d = opendir(folder);
    long long n = 0;
    if (!d) return peri_err_set(err, PERI_EIO, "cannot open %s: %m", folder);
    for (struct dirent *e; n >= 0 && (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len < 6 || strcmp(e->d_name + len - 5, ".json") != 0) continue;
        n = tell_file(c, folder, e->d_name, err) ? -1 : n + 1;
    }
    closedir(d);
    return n;
}

static int run_everywhere(peri_client_t *c, const peri_everywhere_t *e)
{
    peri_err_t err = {0};
    long long nodes = count_nodes(c, e->scheduler, &err), told = -1;
    json_t *job = nodes < 0 ? NULL : submit(c, e, nodes, &err);
    if (!job) return peri_cli_fail(&err);
    int status = peri_follow_end(c, peri_json_str(job, "id"), &(peri_waitopts_t){0});
    if (status == 0) {
        told = tell_folder(c, peri_json_str(job, "results"), &err);
        if (told < 0) status = peri_cli_fail(&err);
    }
    if (status == 0 && told < nodes) {
        fprintf(stderr, "perigee: only %lld of %lld nodes have told what they hold\n",
                told, nodes);
        status = 1;
    }
    json_decref(job);
    return status;
}

int peri_replicas_everywhere(const peri_everywhere_t *e)
{
    peri_err_t err = {0};
    peri_client_t *c = peri_client_new(&err);
    int status = c ? run_everywhere(c, e) : peri_cli_fail(&err);
    peri_client_free(c);
    return status;
}
