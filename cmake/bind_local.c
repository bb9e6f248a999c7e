/* bind_local.c - copies a shared library whose references to its own symbols are bound.
 *
 *   bind_local FROM TO
 *
 * libduckdb.so asks the dynamic linker for 33,000 symbols that it defines itself, each
 * time a program starts. What linking with -Bsymbolic would have done is done here to the
 * copy: such a relocation becomes one by the load address. A program that has the library
 * first in its order (peri_link_duckdb_first) finds these same definitions either way.
 * Left as they are: symbols of other libraries, those that must be unique in a process,
 * functions called through the procedure linkage table.
 *
 * Runs while the build is configured. For anything but a 64-bit x86 library it is a plain
 * copy. TO stays as it is, and as old as it is, if it would be the same.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    unsigned char *bytes;
    size_t size;
} file_t;

static int read_file(const char *path, file_t *f)
{
    FILE *in = fopen(path, "rb");
    long size = -1;
    if (!in) return -1;
    if (fseek(in, 0, SEEK_END) == 0) size = ftell(in);
    rewind(in);
    f->bytes = size > 0 ? malloc((size_t)size) : NULL;
    f->size = (size_t)size;
    const int rc = f->bytes && fread(f->bytes, 1, f->size, in) == f->size ? 0 : -1;
    fclose(in);
    return rc;
}

/* Whoever has the old file open keeps it. */
static int write_file(const char *path, const file_t *f)
{
    char temp[4096];
    if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp)) return -1;
    FILE *out = fopen(temp, "wb");
    if (!out) return -1;
    int rc = fwrite(f->bytes, 1, f->size, out) == f->size ? 0 : -1;
    if (fclose(out)) rc = -1;
    return rc ? rc : rename(temp, path);
}

/* n bytes at an offset, or NULL if the file does not have them. */
static void *at(const file_t *f, uint64_t offset, uint64_t n)
{
    return offset <= f->size && n <= f->size - offset ? f->bytes + offset : NULL;
}

/* The same of an address at which the library is loaded. */
static void *at_address(const file_t *f, const Elf64_Phdr *heads, size_t nheads,
                        uint64_t address, uint64_t n)
{
    for (size_t i = 0; i < nheads; i++) {
        const Elf64_Phdr *h = &heads[i];
        if (h->p_type == PT_LOAD && address >= h->p_vaddr &&
            address - h->p_vaddr < h->p_filesz)
            return at(f, address - h->p_vaddr + h->p_offset, n);
    }
    return NULL;
}

static int is_own(const Elf64_Sym *s)
{
    const unsigned bind = ELF64_ST_BIND(s->st_info), type = ELF64_ST_TYPE(s->st_info);
    return s->st_shndx != SHN_UNDEF && s->st_shndx < SHN_LORESERVE &&
           (bind == STB_GLOBAL || bind == STB_WEAK) &&
           (type == STT_NOTYPE || type == STT_OBJECT || type == STT_FUNC);
}

static int is_relative(const Elf64_Rela *r)
{
    return ELF64_R_TYPE(r->r_info) == R_X86_64_RELATIVE;
}

static int by_place(const void *a, const void *b)
{
    const Elf64_Rela *x = a, *y = b;
    return (x->r_offset > y->r_offset) - (x->r_offset < y->r_offset);
}

/* Relocations by the load address come first: their number is in the dynamic section. */
static int put_relative_first(Elf64_Rela *relocs, size_t n, uint64_t *count)
{
    Elf64_Rela *sorted = malloc((n + 1) * sizeof(*sorted));
    size_t k = 0;
    if (!sorted) return -1;
    for (size_t i = 0; i < n; i++)
        if (is_relative(&relocs[i])) sorted[k++] = relocs[i];
    qsort(sorted, k, sizeof(*sorted), by_place);
    *count = k;
    for (size_t i = 0; i < n; i++)
        if (!is_relative(&relocs[i])) sorted[k++] = relocs[i];
    memcpy(relocs, sorted, n * sizeof(*sorted));
    free(sorted);
    return 0;
}

/* 0, or -1: not a library of that kind, and nothing was changed. */
static int bind_local(const file_t *f)
{
    const Elf64_Ehdr *e = at(f, 0, sizeof(*e));
    if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 ||
        e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_ident[EI_DATA] != ELFDATA2LSB ||
        e->e_machine != EM_X86_64 || e->e_type != ET_DYN ||
        e->e_phentsize != sizeof(Elf64_Phdr))
        return -1;
    const size_t nheads = e->e_phnum;
    const Elf64_Phdr *heads = at(f, e->e_phoff, nheads * sizeof(*heads));
    Elf64_Dyn *dynamic = NULL;
    size_t ndynamic = 0;
    for (size_t i = 0; heads && i < nheads; i++)
        if (heads[i].p_type == PT_DYNAMIC) {
            ndynamic = heads[i].p_filesz / sizeof(*dynamic);
            dynamic = at(f, heads[i].p_offset, heads[i].p_filesz);
        }
    uint64_t rela = 0, size = 0, symbols = 0, *count = NULL;
    for (size_t i = 0; dynamic && i < ndynamic && dynamic[i].d_tag != DT_NULL; i++) {
        if (dynamic[i].d_tag == DT_RELA) rela = dynamic[i].d_un.d_ptr;
        if (dynamic[i].d_tag == DT_RELASZ) size = dynamic[i].d_un.d_val;
        if (dynamic[i].d_tag == DT_SYMTAB) symbols = dynamic[i].d_un.d_ptr;
        if (dynamic[i].d_tag == DT_RELACOUNT) count = &dynamic[i].d_un.d_val;
    }
    const size_t n = size / sizeof(Elf64_Rela);
    Elf64_Rela *relocs = at_address(f, heads, nheads, rela, size);
    if (!relocs || !count || !symbols) return -1;
    for (size_t i = 0; i < n; i++) {
        Elf64_Rela *r = &relocs[i];
        const uint64_t type = ELF64_R_TYPE(r->r_info), number = ELF64_R_SYM(r->r_info);
        const Elf64_Sym *s;
        if (type != R_X86_64_64 && type != R_X86_64_GLOB_DAT) continue;
        s = at_address(f, heads, nheads, symbols + number * sizeof(*s), sizeof(*s));
        if (!s || !is_own(s)) continue;
        r->r_addend = (int64_t)s->st_value + (type == R_X86_64_64 ? r->r_addend : 0);
        r->r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE);
    }
    return put_relative_first(relocs, n, count);
}

int main(int argc, char **argv)
{
    file_t f = {0}, old = {0};
    if (argc != 3 || read_file(argv[1], &f)) {
        fprintf(stderr, "bind_local: cannot read the library\n");
        return 1;
    }
    const int changed = bind_local(&f) == 0;
    printf("%s", changed ? "bound" : "copied");
    if (read_file(argv[2], &old) == 0 && old.size == f.size &&
        memcmp(old.bytes, f.bytes, f.size) == 0)
        return 0;
    if (write_file(argv[2], &f)) {
        fprintf(stderr, "bind_local: cannot write %s\n", argv[2]);
        return 1;
    }
    return 0;
}
