/* The section "web" of the configuration, and the text that nginx is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/util.h"
#include "portal/front/front.h"

/* ---- the section ---- */

static peri_config_t *load(const char *text, peri_err_t *err)
{
    char path[] = "/tmp/test-front-XXXXXX";
    int fd = mkstemp(path);
    *err = (peri_err_t){0};
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    peri_config_t *c = peri_config_load(path, err);
    unlink(path);
    return c;
}

static void test_section(void **state)
{
    (void)state;
    peri_err_t err;
    peri_config_t *c = load("state: /s\n", &err);
    assert_non_null(c);
    assert_false(c->web.given);
    assert_null(c->web.address);
    peri_config_free(c);
    c = load("state: /s\nuser: someone\nweb: {listen: '*:443', certificate: /c, key: /k, "
             "url: 'https://Perigee.Example.org/', redirect: 80}\n",
             &err);
    assert_non_null(c);
    assert_string_equal(c->user, "someone");
    assert_string_equal(c->web.address, "*");
    assert_int_equal(c->web.port, 443);
    assert_string_equal(c->web.url, "https://perigee.example.org");
    assert_int_equal(c->web.redirect, 80);
    peri_config_free(c);
    c = load("web: {listen: off}\n", &err);
    assert_non_null(c);
    assert_true(c->web.off);
    peri_config_free(c);
    c = load("web: {listen: 'localhost:9000'}\n", &err);
    assert_non_null(c);
    assert_string_equal(c->web.address, "127.0.0.1");
    peri_config_free(c);
    c = load("web: {listen: '0.0.0.0:9000', insecure: true}\n", &err);
    assert_non_null(c);
    peri_config_free(c);
}

static void test_wrong_section(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"web: {listen: '0.0.0.0:8750'}\n", "passwords would cross the network"},
        {"web: {listen: '[::]:8750'}\n", "passwords would cross the network"},
        {"web: {listen: '*:8750'}\n", "passwords would cross the network"},
        {"web: {listen: 'example.org:80'}\n", "listen needs ADDRESS:PORT"},
        {"web: {listen: '127.0.0.1:0'}\n", "listen needs ADDRESS:PORT"},
        {"web: {listen: '127.0.0.1:65536'}\n", "listen needs ADDRESS:PORT"},
        {"web: {listen: '127.0.0.1:80; include /etc/x'}\n", "listen needs ADDRESS:PORT"},
        {"web: {listen: '127.0.0.1'}\n", "listen needs ADDRESS:PORT"},
        {"web: {listen: '[::1:80'}\n", "listen needs ADDRESS:PORT"},
        {"web: {certificate: /c}\n", "belong together; key is missing"},
        {"web: {key: /c}\n", "belong together; certificate is missing"},
        {"web: {certificate: c, key: /k}\n", "absolute path"},
        {"web: {redirect: 80}\n", "needs a certificate"},
        {"web: {certificate: /c, key: /k, redirect: x}\n", "redirect needs the port"},
        {"web: {certificate: /c, key: /k, listen: '*:80', redirect: 80}\n", "same port"},
        {"web: {certificate: /c, key: /k, url: 'http://x'}\n", "starts with https://"},
        {"web: {url: 'ftp://x'}\n", "url needs scheme and host"},
        {"web: {url: 'https://'}\n", "url needs scheme and host"},
        {"web: {url: 'https://x/path'}\n", "url needs scheme and host"},
        {"web: {url: 'https://x;y'}\n", "url needs scheme and host"},
        {"web: {url: \"https://x\\ny\"}\n", "url needs scheme and host"},
        {"web: {url: 'https://[::1'}\n", "url needs scheme and host"},
        {"web: {insecure: perhaps}\n", "insecure must be true or false"},
        {"web: {lisen: x}\n", "lisen"},
        {"web: yes\n", "the section web"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        peri_err_t err;
        peri_config_t *c = load(wrong[i].text, &err);
        if (c || !strstr(err.text, wrong[i].says))
            print_error("%s%s\n", wrong[i].text, err.text);
        assert_null(c);
        assert_non_null(strstr(err.text, wrong[i].says));
        assert_non_null(strstr(err.text, ":1:"));
    }
}

/* ---- the text ---- */

static const peri_frontconf_t plain = {.folder = "/s/web",
                                       .control = "/s/web/control",
                                       .web_socket = "/s/web.sock",
                                       .transfer_socket = "/s/transfer.sock",
                                       .share = "/usr/share/perigee",
                                       .files = "/s/volumes",
                                       .jobs = "/s/jobs",
                                       .data = "/s/web/data",
                                       .address = "127.0.0.1",
                                       .port = 8750,
                                       .url = "http://127.0.0.1:8750",
                                       .workers = 2,
                                       .connections = 1024,
                                       .nofile = 4096};

static char *text_of(const peri_frontconf_t *c, char mark[17])
{
    peri_buf_t b;
    peri_err_t err = {0};
    peri_buf_init(&b, 1u << 20);
    assert_int_equal(peri_front_write(c, &b, mark, &err), 0);
    return peri_buf_take(&b, NULL);
}

static void assert_has(const char *text, const char *what)
{
    if (!strstr(text, what)) print_error("without: %s\n", what);
    assert_non_null(strstr(text, what));
}

static void test_plain(void **state)
{
    (void)state;
    char mark[17];
    char *t = text_of(&plain, mark);
    assert_has(t, "listen 127.0.0.1:8750 default_server backlog");
    assert_has(t, "server \"unix:/s/web.sock\";");
    assert_has(t, "alias \"/s/volumes/\";");
    assert_has(t, "worker_connections 1024;");
    assert_has(t, "X-Forwarded-Proto $scheme;");
    assert_has(t, mark);
    assert_null(strstr(t, "@@"));
    assert_null(strstr(t, "ssl_certificate"));
    assert_null(strstr(t, "Strict-Transport"));
    assert_null(strstr(t, "user root"));
    /* No name was forgotten: what is left of "@" begins the name of a location. */
    for (char *at = t; (at = strchr(at, '@')); at++) {
        size_t n = strspn(at + 1, "abcdefghijklmnopqrstuvwxyz");
        assert_true(n > 0 && at[n + 1] != '@');
    }
    free(t);
}

static void test_tls(void **state)
{
    (void)state;
    char mark[17], other[17];
    peri_frontconf_t c = plain;
    c.tls = true;
    c.port = 443;
    c.redirect = 80;
    c.address = "*";
    c.any_name = true;
    c.url = "https://perigee.example.org";
    c.seal = 1;
    char *t = text_of(&c, mark);
    assert_has(t, "listen 0.0.0.0:443 default_server ssl");
    assert_has(t, "listen [::]:443 default_server ssl");
    assert_has(t, "listen [::]:80 default_server;");
    assert_has(t, "return 308 https://perigee.example.org$request_uri;");
    assert_has(t, "ssl_protocols TLSv1.2 TLSv1.3;");
    assert_has(t, "Strict-Transport-Security");
    assert_has(t, "X-Forwarded-Proto https;");
    free(t);
    c.seal = 2; /* another certificate is another configuration */
    free(text_of(&c, other));
    assert_string_not_equal(mark, other);
    c.seal = 1;
    free(text_of(&c, other));
    assert_string_equal(mark, other);
}

static void test_paths(void **state)
{
    (void)state;
    char mark[17];
    peri_frontconf_t c = plain;
    c.folder = "/with space/and \"quotes\"; }\\";
    c.data = "/big/t\"wo\\";
    char *t = text_of(&c, mark);
    assert_has(t, "pid \"/with space/and \\\"quotes\\\"; }\\\\/nginx.pid\";");
    assert_has(t, "alias \"/big/t\\\"wo\\\\/$1/$2\";");
    assert_has(t, "disable_symlinks on \"from=/big/t\\\"wo\\\\/$1\";");
    free(t);
    static const char *const wrong[] = {"/a$b", "/a\nb", "/a\tb", "/a\177b"};
    for (int i = 0; i < 4; i++) {
        peri_buf_t b;
        peri_err_t err = {0};
        peri_buf_init(&b, 1u << 20);
        c.folder = i % 2 ? wrong[i] : plain.folder;
        c.files = i % 2 ? plain.files : wrong[i];
        assert_int_equal(peri_front_write(&c, &b, mark, &err), -1);
        assert_has(err.text, "choose another folder");
        peri_buf_free(&b);
    }
}

static void test_names(void **state)
{
    (void)state;
    char mark[17];
    peri_frontconf_t c = plain;
    c.address = "[::1]";
    c.url = "http://[::1]:8750";
    char *t = text_of(&c, mark);
    assert_has(t, "server_name [::1];");
    assert_has(t, "default 1;");
    free(t);
    c.url = "https://perigee.example.org";
    t = text_of(&c, mark);
    assert_has(t, "\"perigee.example.org\" \"\";");
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_section), cmocka_unit_test(test_wrong_section),
        cmocka_unit_test(test_plain),   cmocka_unit_test(test_tls),
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
