/* fuzz_helper.c - libFuzzer target: any bytes as a request to perigee-helper. What is
 * taken holds what the rest of it relies on. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "portal/helper/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(int ok)
{
    if (!ok) abort();
}

static void look(const char *data, size_t len)
{
    static peri_helperrequest_t r;
    if (peri_helper_parse(data, len, &r)) return;
    const peri_helperask_t *a = &r.ask;
    must(len <= PERI_HELPER_MAX && a->nmounts <= PERI_HELPER_MOUNTS);
    if (a->verb == PERI_HELPER_PING || a->verb == PERI_HELPER_STOP) return;
    must(memchr(a->user, 0, sizeof(a->user)) && *a->user && !strchr(a->user, '/'));
    must(strlen(a->uuid) == 36 && !strpbrk(a->uuid, "/."));
    must(memchr(a->step, 0, sizeof(a->step)) && *a->step && *a->step != '.' &&
         !strchr(a->step, '/'));
    must(a->attempt >= 0 && a->index >= 0 && a->pid != 1 && a->pid >= 0);
    for (uint32_t i = 0; i < a->nmounts; i++) {
        const char *p = r.binds[i].path;
        must(p >= data && p + strlen(p) < data + len);
        must(*p != '/' && !strstr(p, "//") && !strstr(p, "/../") &&
             strcmp(p, "..") != 0 && strncmp(p, "../", 3) != 0 && r.binds[i].volume > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    /* As it is, and as what follows a head that is in order. */
    peri_helperask_t a = {.magic = PERI_HELPER_MAGIC, .verb = PERI_HELPER_START};
    peri_buf_t packet;
    peri_err_t err = {0};
    look((const char *)data, len);
    strcpy(a.user, "ana");
    strcpy(a.uuid, "0b6e2f1c-8d3a-4c57-9e21-5f60a7b8c9d0");
    strcpy(a.step, "main");
    a.nmounts = len ? data[0] : 0;
    peri_buf_init(&packet, 4 * PERI_HELPER_MAX);
    peri_buf_append(&packet, &a, sizeof(a));
    if (len) peri_buf_append(&packet, data + 1, len - 1);
    look(packet.data, packet.len);
    packet.len = sizeof(a);
    if (peri_helper_list_read((const char *)data, len, &packet, &a.nmounts, &err) == 0) {
        memcpy(packet.data, &a, sizeof(a));
        look(packet.data, packet.len);
    } else {
        must(err.text[0] != '\0');
    }
    peri_buf_free(&packet);
    return 0;
}
