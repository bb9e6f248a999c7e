# cmake -DOUT=FILE.c -DFILE=nginx.conf.in -P embed.cmake: the template as a C string.
file(READ "${FILE}" hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n"
       bytes "${bytes}")
file(WRITE "${OUT}" "/* Generated from nginx.conf.in. */
#include \"portal/front/front.h\"

static const unsigned char text[] = {\n${bytes}0};
const char *const peri_front_template = (const char *)text;
")
