/* colour.c - see colour.h.
 *
 * Maps are curves in OKLCh (B. Ottosson 2020), with the lightness of CIE 1976, which
 * grows evenly with the value, so that equal steps look equal, also to those who see few
 * colours and in print; the hue turns along, and the chroma is cut to what a screen can
 * show.
 */
#include "mpi/field/colour.h"

#include <math.h>
#include <string.h>

typedef struct {
    double at, hue, chroma; /* degrees; in between, straight lines */
} stop_t;

static const struct {
    const char *name;
    double darkest, lightest; /* 0 to 100 */
    stop_t stops[6];
} maps[] = {
    {"ember",
     1.5,
     98.5,
     {{0, 275, 0.03},
      {0.22, 292, 0.15},
      {0.45, 352, 0.21},
      {0.65, 402, 0.18},
      {0.83, 440, 0.15},
      {1, 462, 0.04}}},
    {"ice",
     1.5,
     98.5,
     {{0, 280, 0.02},
      {0.25, 268, 0.14},
      {0.5, 252, 0.16},
      {0.7, 228, 0.13},
      {0.87, 200, 0.08},
      {1, 180, 0.01}}},
    {"grey",
     0,
     100,
     {{0, 0, 0}, {0.2, 0, 0}, {0.4, 0, 0}, {0.6, 0, 0}, {0.8, 0, 0}, {1, 0, 0}}},
};

static void linear_rgb(double lightness, double chroma, double hue, double rgb[3])
{
    double a = chroma * cos(hue * M_PI / 180), b = chroma * sin(hue * M_PI / 180);
    double l = lightness + 0.3963377774 * a + 0.2158037573 * b;
    double m = lightness - 0.1055613458 * a - 0.0638541728 * b;
    double s = lightness - 0.0894841775 * a - 1.2914855480 * b;
    l *= l * l;
    m *= m * m;
    s *= s * s;
    rgb[0] = 4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s;
    rgb[1] = -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s;
    rgb[2] = -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s;
}

static int in_gamut(const double rgb[3])
{
    for (int k = 0; k < 3; k++)
        if (rgb[k] < -1e-6 || rgb[k] > 1 + 1e-6) return 0;
    return 1;
}

static uint8_t encode(double v)
{
    v = fmin(fmax(v, 0), 1);
    v = v <= 0.0031308 ? 12.92 * v : 1.055 * pow(v, 1 / 2.4) - 0.055;
    return (uint8_t)lround(255 * v);
}

/* OKLCh's lightness of a grey that has this one. */
static double ok_lightness(double l)
{
    return l > 8 ? (l + 16) / 116 : cbrt(l / 903.3);
}

/* The most colourful that fits, up to the chroma that is wanted. */
static void colour(double lightness, double chroma, double hue, uint8_t out[3])
{
    double rgb[3], low = 0, high = chroma;
    linear_rgb(lightness, chroma, hue, rgb);
    for (int i = 0; i < 20 && !in_gamut(rgb); i++) {
        double middle = (low + high) / 2, tried[3];
        linear_rgb(lightness, middle, hue, tried);
        if (in_gamut(tried))
            low = middle;
        else
            high = middle;
        if (i == 19) linear_rgb(lightness, low, hue, rgb);
    }
    for (int k = 0; k < 3; k++) out[k] = encode(rgb[k]);
}

int peri_colours_fill(const char *name, uint8_t rgb[PERI_COLOURS][3], peri_err_t *err)
{
    for (size_t m = 0; m < sizeof(maps) / sizeof(maps[0]); m++) {
        if (strcmp(maps[m].name, name)) continue;
        for (int i = 0; i < PERI_COLOURS; i++) {
            double t = (double)i / (PERI_COLOURS - 1);
            const stop_t *s = maps[m].stops;
            while (s[1].at < t) s++;
            double part = (t - s->at) / (s[1].at - s->at);
            colour(
                ok_lightness(maps[m].darkest + t * (maps[m].lightest - maps[m].darkest)),
                s->chroma + part * (s[1].chroma - s->chroma),
                s->hue + part * (s[1].hue - s->hue), rgb[i]);
        }
        return 0;
    }
    return peri_err_set(err, PERI_EINVAL, "There is no colour map %s: choose one of %s.",
                        name, PERI_COLOUR_MAPS);
}
