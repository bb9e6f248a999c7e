/* password.c - see password.h. */
#include "portal/account/password.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/util.h"

#define OPS 2u

static struct {
    pthread_mutex_t lock;
    pthread_cond_t free;
    int running;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .free = PTHREAD_COND_INITIALIZER};
static _Thread_local bool mine;

/* Of no password: what an unknown name is checked against. */
static char dummy[PERI_PASSWORD_TEXT];

_Static_assert(PERI_PASSWORD_TEXT >= crypto_pwhash_STRBYTES, "room for a hash");

static bool enter(bool wait)
{
    pthread_mutex_lock(&gate.lock);
    while (wait && gate.running >= PERI_PASSWORD_AT_ONCE)
        pthread_cond_wait(&gate.free, &gate.lock);
    bool got = gate.running < PERI_PASSWORD_AT_ONCE;
    if (got) gate.running++;
    pthread_mutex_unlock(&gate.lock);
    return got;
}

static void leave(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.running--;
    pthread_cond_signal(&gate.free);
    pthread_mutex_unlock(&gate.lock);
}

bool peri_password_turn_take(void)
{
    return mine || (mine = enter(false));
}

void peri_password_turn_give(void)
{
    if (mine) leave();
    mine = false;
}

int peri_password_init(peri_err_t *err)
{
    unsigned char secret[32];
    if (sodium_init() < 0)
        return peri_err_set(err, PERI_EINTERNAL, "libsodium does not start");
    if (*dummy) return 0;
    randombytes_buf(secret, sizeof(secret));
    return peri_password_hash((const char *)secret, sizeof(secret), dummy, err);
}

int peri_password_rules(const char *password, size_t n, const char *name,
                        const char *email, peri_err_t *err)
{
    const char *why;
    if (n < PERI_PASSWORD_MIN)
        return peri_err_set(err, PERI_EINVAL,
                            "the password is too short: it needs %d characters or more",
                            PERI_PASSWORD_MIN);
    if (n > PERI_PASSWORD_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "the password is too long: at most %d bytes are possible",
                            PERI_PASSWORD_MAX);
    if (!peri_utf8_valid(password, n) || memchr(password, 0, n))
        return peri_err_set(err, PERI_EINVAL, "the password is not text in UTF-8");
    const char *const own[] = {name, email};
    for (size_t i = 0; i < 2; i++) {
        if (!own[i]) continue;
        size_t len = strlen(own[i]), local = strcspn(own[i], "@");
        if ((len == n && !strncasecmp(password, own[i], n)) ||
            (local == n && !strncasecmp(password, own[i], n)))
            return peri_err_set(err, PERI_EINVAL,
                                "the password is the name or the e-mail address of the "
                                "account: choose another");
    }
    if (peri_password_weak(password, n, &why))
        return peri_err_set(err, PERI_EINVAL,
                            "the password is too easy to guess: it %s. Choose another, "
                            "for example four words that have nothing to do with each "
                            "other",
                            why);
    return 0;
}

static int out_of_memory(peri_err_t *err)
{
    return peri_err_set(err, PERI_EIO,
                        "there is not enough memory to check a password; try again");
}

int peri_password_hash(const char *password, size_t n, char out[PERI_PASSWORD_TEXT],
                       peri_err_t *err)
{
    if (!mine) enter(true);
    int rc = crypto_pwhash_str_alg(out, password, n, OPS, PERI_PASSWORD_MEMORY,
                                   crypto_pwhash_ALG_ARGON2ID13);
    if (!mine) leave();
    if (rc == 0) return 0;
    return out_of_memory(err);
}

int peri_password_check(const char *hash, const char *password, size_t n, bool *right,
                        bool *again, peri_err_t *err)
{
    const bool known = hash && *hash;
    *right = *again = false;
    if (n > PERI_PASSWORD_MAX) n = 0; /* none is that long */
    if (!mine) enter(true);
    int rc = crypto_pwhash_str_verify(known ? hash : dummy, password, n);
    /* libsodium does not tell a wrong password from no memory to check it. volatile: a
     * compiler may leave out memory that nobody uses. */
    void *volatile room = rc != 0 ? malloc(PERI_PASSWORD_MEMORY) : NULL;
    const bool no_memory = rc != 0 && !room;
    free(room);
    if (!mine) leave();
    if (no_memory) return out_of_memory(err);
    *right = known && n > 0 && rc == 0;
    *again =
        *right && crypto_pwhash_str_needs_rehash(hash, OPS, PERI_PASSWORD_MEMORY) != 0;
    return 0;
}
