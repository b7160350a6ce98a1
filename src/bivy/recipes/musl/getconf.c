/* getconf: print what the system's limits and options are (POSIX.1-2024, "getconf"). names.h is made from the C
 * library's own headers: a line CONSTANT(INT_MAX), SYSTEM(_SC_ARG_MAX), PATH(_PC_NAME_MAX) or TEXT(_CS_PATH) each. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { CONSTANT, SYSTEM, PATH, TEXT };

#define CONSTANT(name) {CONSTANT, #name, 0, name},
#define SYSTEM(name) {SYSTEM, #name, 4, name},
#define PATH(name) {PATH, #name, 4, name},
#define TEXT(name) {TEXT, #name, 4, name},

static const struct variable {
	enum kind kind;
	const char *name;
	int prefix;
	long long value;
} variables[] = {
#include "names.h"
};

static const size_t count = sizeof variables / sizeof *variables;

/* sysconf's _SC_2_C_BIND is POSIX's variable _POSIX2_C_BIND, _SC_ARG_MAX is ARG_MAX, _SC_FSYNC is _POSIX_FSYNC. */
static const char *stem(const char *name)
{
	name += *name == '_';
	if (!strncmp(name, "POSIX_", 6)) return name + 6;
	if (!strncmp(name, "POSIX2_", 7)) return name + 5;
	return name;
}

static const struct variable *find(const char *name, int with_path)
{
	for (size_t i = 0; i < count; i++)
		if (variables[i].kind == CONSTANT && !strcmp(variables[i].name, name)) return variables + i;
	for (size_t i = 0; i < count; i++) {
		const struct variable *one = variables + i;
		if (one->kind != CONSTANT && (one->kind == PATH) == with_path &&
			!strcmp(stem(one->name + one->prefix), stem(name))) return one;
	}
	return 0;
}

static int print(const struct variable *variable, const char *path)
{
	char text[4096];
	long value;
	errno = 0;
	switch (variable->kind) {
	case CONSTANT:
		if (variable->value < 0 || strncmp(variable->name, "U", 1)) printf("%lld\n", variable->value);
		else printf("%llu\n", (unsigned long long)variable->value);
		return 0;
	case TEXT:
		if (!confstr(variable->value, text, sizeof text)) *text = 0;
		puts(text);
		return 0;
	default:
		value = variable->kind == PATH ? pathconf(path, variable->value) : sysconf(variable->value);
		if (value == -1 && errno) {
			fprintf(stderr, "getconf: %s: %s\n", variable->kind == PATH ? path : variable->name, strerror(errno));
			return 1;
		}
		if (value == -1) puts("undefined");
		else printf("%ld\n", value);
		return 0;
	}
}

static int print_all(const char *path)
{
	for (size_t i = 0; i < count; i++) {
		printf("%-35s", variables[i].name + variables[i].prefix);
		print(variables + i, path);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "av:")) != -1) {
		if (option == 'a') return print_all(optind < argc ? argv[optind] : "/");
		if (option == '?') argc = 0;
	}
	if (argc - optind != 1 && argc - optind != 2) {
		fputs("usage: getconf [-v SPECIFICATION] NAME [PATH]\n       getconf -a [PATH]\n", stderr);
		return 2;
	}
	const char *path = argv[optind + 1];
	const struct variable *variable = find(argv[optind], path != 0);
	if (variable) return print(variable, path);
	fprintf(stderr, "getconf: %s: %s\n", argv[optind],
		find(argv[optind], !path) ? path ? "this one has no path" : "give a path" : "unknown variable");
	return 2;
}
