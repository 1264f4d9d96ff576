/* machine.c: see machine.h. The facts of the build are those of libjzx-bench, which is built with the library it measures. */
#include "machine.h"

#include "counters.h"
#include "memory.h"

#include "bench_commit.h"

#include <dirent.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_MAX = 1024 };

/* The first line of a file, without its end; false if there is none. */
static bool first_line(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fgets(text, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    if (good) {
        text[strcspn(text, "\n")] = '\0';
    }
    return good && text[0] != '\0';
}

/* What stands behind the first "KEY : " of /proc/cpuinfo. */
static bool cpu_info(const char *key, char *text, size_t size)
{
    char line[8192];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strstr(line, ": ");
        if (colon != NULL && strncmp(line, key, strlen(key)) == 0) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(text, size, "%s", colon + 2);
            found = true;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static void add_cpu(bench_result *result)
{
    char text[TEXT_MAX];
    if (!cpu_info("model name", text, sizeof text) && !cpu_info("Model", text, sizeof text)) {
        strcpy(text, "unknown");
    }
    bench_fact_add(result, "cpu", text);
}

static void add_cores(bench_result *result)
{
    char text[TEXT_MAX];
    char siblings[16];
    bool told = first_line("/sys/devices/system/cpu/smt/active", siblings, sizeof siblings);
    snprintf(text, sizeof text, "%ld%s", sysconf(_SC_NPROCESSORS_ONLN),
             !told                ? ""
             : siblings[0] == '1' ? ", two or more a core"
                                  : ", one a core");
    bench_fact_add(result, "cores", text);
}

static void add_cpus(bench_result *result, const int *cpus, int cpu_count)
{
    char *text = bench_copy("");
    for (int i = 0; i < cpu_count; i++) {
        bench_append(&text, "%s%d", i > 0 ? "," : "", cpus[i]);
    }
    bench_fact_add(result, "cpus", text);
    free(text);
}

static void add_virtual(bench_result *result)
{
    char flags[8192] = "";
    char vendor[256] = "";
    char text[TEXT_MAX];
    bool told = cpu_info("flags", flags, sizeof flags);
    bool virtual = strstr(flags, " hypervisor") != NULL;
    first_line("/sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    snprintf(text, sizeof text, "%s%s%s",
             !told     ? "unknown"
             : virtual ? "virtual"
                       : "real",
             vendor[0] != '\0' ? ", of " : "", vendor);
    bench_fact_add(result, "machine", text);
}

static void add_kernel(bench_result *result)
{
    struct utsname system;
    char text[TEXT_MAX] = "unknown";
    if (uname(&system) == 0) {
        snprintf(text, sizeof text, "%s %s %s", system.sysname, system.release, system.machine);
    }
    bench_fact_add(result, "kernel", text);
}

static void add_governor(bench_result *result, int cpu)
{
    char path[128];
    char text[TEXT_MAX];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
    bench_fact_add(result, "governor", first_line(path, text, sizeof text) ? text : "none is visible");
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names of one kind, sorted: "spectre_v1 spectre_v2". */
static char *join(char **names, size_t count)
{
    char *text = bench_copy("");
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++) {
        bench_append(&text, "%s%s", i > 0 ? " " : "", names[i]);
        free(names[i]);
    }
    free(names);
    return text;
}

/* What the kernel does about the CPU's weaknesses makes system calls and switches dearer. */
static void add_mitigations(bench_result *result)
{
    static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
    char **names[2] = {NULL, NULL}; /* mitigated, vulnerable */
    size_t counts[2] = {0, 0};
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        bench_fact_add(result, "mitigations", "unknown");
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char path[512];
        char line[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] == '.' || !first_line(path, line, sizeof line) || strncmp(line, "Not", 3) == 0) {
            continue;
        }
        int kind = strncmp(line, "Mitigation", 10) != 0;
        names[kind] = bench_more(names[kind], counts[kind], sizeof *names[kind]);
        names[kind][counts[kind]++] = bench_copy(entry->d_name);
    }
    closedir(directory);
    char *mitigated = join(names[0], counts[0]);
    char *vulnerable = join(names[1], counts[1]);
    char *text = bench_format("against: %s; not against: %s", counts[0] > 0 ? mitigated : "nothing",
                              counts[1] > 0 ? vulnerable : "nothing");
    bench_fact_add(result, "mitigations", text);
    free(text);
    free(mitigated);
    free(vulnerable);
}

static void add_counters(bench_result *result)
{
    char text[TEXT_MAX];
    bench_counters_about(text, sizeof text);
    bench_fact_add(result, "counters", text);
}

static void add_date(bench_result *result)
{
    char text[64];
    time_t now = time(NULL);
    struct tm parts;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &parts));
    bench_fact_add(result, "date", text);
}

void bench_machine_facts(bench_result *result, const int *cpus, int cpu_count)
{
    char libc[128];
    snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
    add_cpu(result);
    add_cores(result);
    add_cpus(result, cpus, cpu_count);
    add_virtual(result);
    add_kernel(result);
    add_governor(result, cpus[0]);
    add_mitigations(result);
    add_counters(result);
    bench_fact_add(result, "libc", libc);
    bench_fact_add(result, "compiler", BENCH_COMPILER);
    bench_fact_add(result, "flags", BENCH_FLAGS);
    bench_fact_add(result, "version", BENCH_VERSION);
    bench_fact_add(result, "commit", BENCH_COMMIT);
    bench_fact_add(result, "liburing", BENCH_LIBURING);
    add_date(result);
}

void bench_machine_load(char *text, size_t size)
{
    double loads[3];
    if (getloadavg(loads, 3) == 3) {
        snprintf(text, size, "%.2f %.2f %.2f", loads[0], loads[1], loads[2]);
    } else {
        snprintf(text, size, "unknown");
    }
}
