/* number.c: see number.h. */
#include "number.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool bench_number_parse(const char *text, uint64_t *number)
{
    if (text[0] < '0' || text[0] > '9') {
        return false; /* strtoull() takes blanks and signs */
    }
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    *number = value;
    return true;
}

bool bench_real_parse(const char *text, double *number)
{
    if (strspn(text, "0123456789+-.eE") != strlen(text) || text[0] == '\0' || text[0] == '+') {
        return false; /* strtod() takes blanks, hexadecimal and "nan" */
    }
    char *end;
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) {
        return false;
    }
    *number = value;
    return true;
}

bool bench_positive_parse(const char *text, double *number)
{
    double value;
    if (!bench_real_parse(text, &value) || !(value > 0)) {
        return false;
    }
    *number = value;
    return true;
}
