/* transfer_up.c - see transfer_priv.h: an upload by tus.
 *
 * A small file goes with the request that creates its upload, its checksum too. Of a
 * large one the checksum is known when all is read: its last bytes go alone, with the
 * checksum, and the portal gives the file its name only if it is right. The id of an
 * upload is made here and written down before the portal hears of it: no answer that is
 * lost leaves an upload behind that nobody knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/transfer_priv.h"
#include "core/base/util.h"

#define SMALL ((int64_t)4 << 20)
#define LAST  4096 /* bytes that go with the checksum */

static void new_id(char id[40])
{
    uint8_t b[16];
    if (getrandom(b, sizeof(b), 0) != sizeof(b)) abort();
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    int n = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) id[n++] = '-';
        n += snprintf(id + n, (size_t)(40 - n), "%02x", b[i]);
    }
}

void peri_up_begin(peri_slot_t *s)
{
    peri_err_t err = {0};
    s->fd = open(s->t->local, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (s->fd < 0 || fstat(s->fd, &s->st)) {
        peri_slot_fail(s, "cannot read it: %s", strerror(errno));
        return;
    }
    if (!S_ISREG(s->st.st_mode)) {
        peri_slot_fail(s, "is not a file%s",
                       S_ISDIR(s->st.st_mode) ? " but a folder: add --recursive" : "");
        return;
    }
    s->size = s->st.st_size;
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    int found = s->size > SMALL ? peri_upstate_open(s, s->upload, &err) : 0;
    if (found < 0) {
        peri_slot_fail(s, "%s", err.text);
        return;
    }
    s->step = found ? PERI_STEP_ASK : PERI_STEP_CREATE;
    if (!found) new_id(s->upload);
}

/* ---- requests ---- */

static char *encode(peri_arena_t *a, const char *text)
{
    return peri_base64_encode(a, text, strlen(text));
}

static void add_metadata(peri_slot_t *s)
{
    peri_arena_t *a = peri_arena_new();
    const peri_place_t *p = &s->t->remote;
    char sum[PERI_SUM_TEXT] = "";
    const char *volume =
        p->owner ? peri_arena_printf(a, "%s/%s", p->owner, p->volume) : p->volume;
    if (s->hash && s->hashed == s->size) {
        peri_sum_t whole;
        peri_hash_sum(s->hash, &whole);
        peri_sum_format(&whole, sum);
    } else if (s->hash) {
        snprintf(sum, sizeof(sum), "%s", peri_sum_name(PERI_SUM_SHA256));
    }
    peri_slot_header(s, "Upload-Metadata: filename %s,volume %s%s%s%s%s",
                     encode(a, p->path), encode(a, volume),
                     s->all->o->overwrite ? ",overwrite " : "",
                     s->all->o->overwrite ? encode(a, "true") : "",
                     *sum ? ",checksum " : "", *sum ? encode(a, sum) : "");
    peri_arena_free(a);
}

static void start_create(peri_slot_t *s)
{
    peri_err_t err = {0};
    const bool small = s->size <= SMALL;
    if (peri_upstate_write(s, s->upload, &err) ||
        (small && s->hash && s->hashed < s->size &&
         peri_hash_file(s->hash, s->fd, s->hashed, s->size, s->name, NULL, &err))) {
        peri_slot_fail(s, "%s", err.text);
        return;
    }
    if (small && s->hash) s->hashed = s->size;
    peri_slot_header(s, "Tus-Resumable: " PERI_TUS_VERSION);
    peri_slot_header(s, "Upload-Length: %lld", (long long)s->size);
    peri_slot_header(s, "Idempotency-Key: %s", s->upload);
    add_metadata(s);
    if (small) peri_slot_header(s, "Content-Type: " PERI_TUS_TYPE);
    if (!peri_slot_request(s, "/uploads", "POST")) return;
    if (small)
        peri_slot_send(s, 0, s->size);
    else
        curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, "");
}

static void start_patch(peri_slot_t *s)
{
    char path[64];
    snprintf(path, sizeof(path), "/uploads/%s", s->upload);
    const bool last = s->step == PERI_STEP_LAST;
    peri_slot_header(s, "Tus-Resumable: " PERI_TUS_VERSION);
    peri_slot_header(s, "Upload-Offset: %lld", (long long)s->from);
    peri_slot_header(s, "Content-Type: " PERI_TUS_TYPE);
    if (last && s->hash) {
        peri_sum_t whole;
        char sum[PERI_SUM_TEXT];
        peri_hash_sum(s->hash, &whole);
        peri_sum_format(&whole, sum);
        peri_slot_header(s, "Perigee-Checksum: %s", sum);
    }
    int64_t from = s->from;
    if (!peri_slot_request(s, path, "PATCH")) return;
    int64_t to = last || !s->hash ? s->size : s->size - LAST;
    peri_slot_send(s, from, to < from ? from : to);
}

void peri_up_start(peri_slot_t *s)
{
    char path[64];
    switch (s->step) {
    case PERI_STEP_CREATE:
        start_create(s);
        break;
    case PERI_STEP_ASK:
        snprintf(path, sizeof(path), "/uploads/%s", s->upload);
        peri_slot_header(s, "Tus-Resumable: " PERI_TUS_VERSION);
        peri_slot_request(s, path, "HEAD");
        break;
    default:
        start_patch(s);
    }
}

/* ---- what follows ---- */

static bool unchanged(peri_slot_t *s)
{
    struct stat now;
    if (fstat(s->fd, &now) == 0 && now.st_size == s->st.st_size &&
        now.st_mtim.tv_sec == s->st.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == s->st.st_mtim.tv_nsec)
        return true;
    peri_upstate_forget(s);
    peri_slot_fail(s, "the file changed while it was sent; send it again");
    return false;
}

/* The portal has all bytes before `offset`. */
static void go_on_from(peri_slot_t *s, int64_t offset)
{
    if (offset > s->size) {
        peri_upstate_forget(s);
        peri_slot_fail(s, "the portal has more bytes than the file; send it again");
        return;
    }
    if (offset > s->reached) {
        s->reached = offset;
        s->progress = peri_now();
        s->tries = 0;
    }
    s->from = s->at = offset;
    if (offset == s->size) {
        peri_upstate_forget(s);
        peri_slot_done(s);
    } else if (s->hash && offset >= s->size - LAST) {
        if (unchanged(s)) peri_slot_read(s, s->size, PERI_STEP_LAST);
    } else if (s->hash && s->hashed < offset) {
        peri_slot_read(s, offset, PERI_STEP_SEND);
    } else {
        s->step = PERI_STEP_SEND;
    }
}

static void refused(peri_slot_t *s, long status, const peri_err_t *err)
{
    /* It was forgotten there (its time was over), or never known. */
    const bool forgotten = status == 404 || status == 410;
    if (forgotten && s->step != PERI_STEP_CREATE && s->begun < 3) {
        s->begun++;
        new_id(s->upload);
        s->step = PERI_STEP_CREATE;
        return;
    }
    if (status == 409 && s->told_offset >= 0) {
        /* Somebody else sends to this upload, or bytes came that we took for lost. */
        s->not_before = peri_now() + 0.1 * ++s->begun;
        s->step = PERI_STEP_ASK;
        if (s->begun < 20) return;
    }
    /* An answer to HEAD has no sentence: ask for it with a PATCH of nothing at the end.
     */
    const bool own = status == 401 || status == 403 || forgotten || status == 460;
    if (s->step == PERI_STEP_ASK && s->answer.body.len == 0 && !own) {
        s->from = s->at = s->size;
        s->step = PERI_STEP_SEND;
        return;
    }
    /* With these the upload there is of no more use. */
    if (status == 460 || status == 404 || status == 410) peri_upstate_forget(s);
    if (status == 460)
        peri_slot_fail(s, "it arrived damaged and was thrown away there; send it again");
    else if (err->text[0])
        peri_slot_fail(s, "%s", err->text);
    else
        peri_slot_fail(s, "the portal answered with status %ld", status);
}

void peri_up_ended(peri_slot_t *s, long status, const peri_err_t *err)
{
    if (status == 0) {
        /* A request for an upload may have been heard: its id is asked for, too. */
        s->at = s->reached;
        s->step = PERI_STEP_ASK;
        return;
    }
    if (status >= 400) {
        refused(s, status, err);
        return;
    }
    if (s->step == PERI_STEP_CREATE && strcmp(s->id, s->upload) != 0) {
        peri_slot_fail(s, "the portal made an upload of another name; is it older than "
                          "this program?");
        return;
    }
    if (s->step == PERI_STEP_ASK && s->told_offset > 0 && s->t->bytes == 0)
        s->t->resumed = true;
    if (s->told_offset < 0 && s->step == PERI_STEP_CREATE && s->size > SMALL)
        s->told_offset = 0;
    if (s->told_offset < 0)
        peri_slot_fail(s, "the portal did not tell how far the upload is");
    else
        go_on_from(s, s->told_offset);
}

void peri_up_close(peri_slot_t *s)
{
    peri_upstate_close(s);
}
