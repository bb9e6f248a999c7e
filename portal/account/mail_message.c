/* mail_message.c - see mail_message.h. */
#include "portal/account/mail_message.h"

#include <math.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "core/base/util.h"

#define WORD_BYTES 39 /* of an encoded word: it fits a line of 76 after a name */
#define LINE_MAX_  76 /* of quoted-printable */

/* ---- checks ---- */

bool peri_mail_address_ok(const char *s, size_t n)
{
    size_t at = 0, ats = 0;
    if (n == 0 || n > PERI_MAIL_ADDRESS_MAX) return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= 0x20 || s[i] >= 0x7f || strchr("()<>[]:;,\\\"", s[i])) return false;
        if (s[i] == '@') at = i, ats++;
    }
    return ats == 1 && at > 0 && at + 1 < n;
}

static bool has_control(const char *s, size_t n, const char *but)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && !strchr(but, s[i])) || s[i] == 0x7f)
            return true;
    return false;
}

int peri_mail_from_split(const char *from, const char **address, size_t *n,
                         const char **name, size_t *nname, peri_err_t *err)
{
    const size_t len = strlen(from);
    const char *open = strrchr(from, '<');
    *name = from;
    *nname = 0;
    *address = from;
    *n = len;
    if (open && from[len - 1] == '>') {
        *address = open + 1;
        *n = len - (size_t)(open + 1 - from) - 1;
        size_t k = (size_t)(open - from);
        while (k > 0 && from[k - 1] == ' ') k--;
        *nname = k;
    }
    if (!peri_mail_address_ok(*address, *n) || has_control(*name, *nname, "") ||
        !peri_utf8_valid(*name, *nname) || *nname > PERI_MAIL_SUBJECT_MAX)
        return peri_err_set(err, PERI_EINVAL,
                            "the sender \"%.100s\" must look like \"Perigee "
                            "<perigee@example.org>\"",
                            from);
    return 0;
}

int peri_mail_check(const char *to, const char *subject, const char *text,
                    peri_err_t *err)
{
    const size_t n = strlen(subject), len = strlen(text);
    if (!peri_mail_address_ok(to, strlen(to)))
        return peri_err_set(err, PERI_EINVAL,
                            "no mail can be sent to \"%.100s\": an address is "
                            "NAME@DOMAIN of letters, digits and .+-_",
                            has_control(to, strlen(to), "") ? "?" : to);
    if (n == 0 || n > PERI_MAIL_SUBJECT_MAX || has_control(subject, n, "") ||
        !peri_utf8_valid(subject, n))
        return peri_err_set(err, PERI_EINVAL,
                            "the subject of a mail is one line of 1 to %u bytes of UTF-8",
                            PERI_MAIL_SUBJECT_MAX);
    if (len > PERI_MAIL_TEXT_MAX || has_control(text, len, "\n\t") ||
        !peri_utf8_valid(text, len))
        return peri_err_set(err, PERI_EINVAL,
                            "the text of a mail is at most %u bytes of UTF-8 without "
                            "control characters",
                            PERI_MAIL_TEXT_MAX);
    return 0;
}

/* ---- headers ---- */

static bool is_plain(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7e ||
            (s[i] == '=' && i + 1 < n && s[i + 1] == '?'))
            return false;
    return true;
}

/* RFC 2047: words of whole characters. */
static void put_words(peri_buf_t *out, const char *s, size_t n)
{
    char word[WORD_BYTES / 3 * 4 + 1];
    for (size_t i = 0; i < n;) {
        size_t len = n - i < WORD_BYTES ? n - i : WORD_BYTES;
        while (i + len < n && len > 1 && ((unsigned char)s[i + len] & 0xc0) == 0x80)
            len--;
        sodium_bin2base64(word, sizeof(word), (const unsigned char *)s + i, len,
                          sodium_base64_VARIANT_ORIGINAL);
        peri_buf_printf(out, "%s=?UTF-8?B?%s?=", i ? "\r\n " : "", word);
        i += len;
    }
}

static void put_from(peri_buf_t *out, const char *name, size_t nname, const char *address,
                     size_t n)
{
    peri_buf_puts(out, "From: ");
    if (nname && name[0] == '"') { /* quoted already, as people copy it from a mail */
        name++, nname--;
        if (nname && name[nname - 1] == '"') nname--;
    }
    if (nname && is_plain(name, nname) && !memchr(name, '"', nname) &&
        !memchr(name, '\\', nname))
        peri_buf_printf(out, "\"%.*s\" ", (int)nname, name);
    else if (nname)
        put_words(out, name, nname), peri_buf_puts(out, "\r\n ");
    peri_buf_printf(out, "<%.*s>\r\n", (int)n, address);
}

/* Not strftime, which would speak the language of the environment. */
static void put_date(peri_buf_t *out, double at)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const time_t t = (time_t)at;
    struct tm tm;
    gmtime_r(&t, &tm);
    peri_buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n",
                    days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
                    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* ---- body ---- */

/* Quoted-printable: any text, in lines that no server breaks. */
static void put_body(peri_buf_t *out, const char *s)
{
    size_t column = 0;
    for (; *s; s++) {
        const unsigned char c = (unsigned char)*s;
        if (c == '\n') {
            peri_buf_puts(out, "\r\n");
            column = 0;
            continue;
        }
        const bool end = s[1] == '\n' || s[1] == '\0';
        const bool as_is =
            (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !end);
        const size_t width = as_is ? 1 : 3;
        if (column + width > LINE_MAX_ - 1) {
            peri_buf_puts(out, "=\r\n");
            column = 0;
        }
        if (as_is)
            peri_buf_putc(out, (char)c);
        else
            peri_buf_printf(out, "=%02X", c);
        column += width;
    }
    if (column) peri_buf_puts(out, "\r\n");
}

int peri_mail_compose(const peri_mailtext_t *m, peri_buf_t *out, peri_err_t *err)
{
    const char *address, *name;
    size_t n, nname;
    if (peri_mail_from_split(m->from, &address, &n, &name, &nname, err) ||
        peri_mail_check(m->to, m->subject, m->text, err))
        return -1;
    const char *domain = (const char *)memchr(address, '@', n) + 1;
    put_date(out, m->created);
    put_from(out, name, nname, address, n);
    peri_buf_printf(out, "To: <%s>\r\nSubject: ", m->to);
    if (is_plain(m->subject, strlen(m->subject)))
        peri_buf_puts(out, m->subject);
    else
        put_words(out, m->subject, strlen(m->subject));
    peri_buf_printf(out, "\r\nMessage-ID: <perigee.%lld.%lld@%.*s>\r\n",
                    (long long)floor(m->created * 1000), (long long)m->id,
                    (int)(address + n - domain), domain);
    /* Auto-Submitted: nobody's absence note answers it (RFC 3834). */
    peri_buf_puts(out, "MIME-Version: 1.0\r\n"
                       "Content-Type: text/plain; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\n"
                       "Auto-Submitted: auto-generated\r\n\r\n");
    put_body(out, m->text);
    return peri_buf_check(out, "the mail", err);
}
