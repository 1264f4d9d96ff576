/*
 * replay: runs a harness without libFuzzer, with any compiler: over each file named, and each in a folder named, in the
 * order of their names. Prints each name first, so the last one printed is the input that failed.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static int run_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(2);
    }
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size + 1);
    FUZZ_REQUIRE(data != NULL && fread(data, 1, size, file) == size);
    fclose(file);
    uint8_t *exact = fuzz_copy(data, size);
    free(data);
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

static int run_folder(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    int ran = 0;
    for (int i = 0; i < count; i++) {
        char name[PATH_BYTES];
        if (entries[i]->d_name[0] != '.' &&
            snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name) < (int)sizeof name) {
            ran += run_file(name);
        }
        free(entries[i]);
    }
    if (count >= 0) {
        free(entries);
    }
    return ran;
}

int main(int argc, char **argv)
{
    int ran = 0;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        ran += folder ? run_folder(argv[i]) : run_file(argv[i]);
    }
    printf("%d inputs\n", ran);
    return ran > 0 ? 0 : 2; /* a corpus that is not there tests nothing */
}
