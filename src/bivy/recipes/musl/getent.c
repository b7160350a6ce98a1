/* getent: look entries up in the databases that the C library reads. Output and exit statuses are those of glibc's
 * getent(1): 0 found, 1 unknown database, 2 key not found, 3 this database cannot be listed. */
#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { FOUND, UNKNOWN_DATABASE, NOT_FOUND, NOT_LISTED };

static int is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == 0;
}

static void print_names(const char *name, char **aliases)
{
	printf(" %s", name);
	for (; aliases && *aliases; aliases++) printf(" %s", *aliases);
	putchar('\n');
}

static int print_user(const struct passwd *user)
{
	if (!user) return NOT_FOUND;
	printf("%s:%s:%u:%u:%s:%s:%s\n", user->pw_name, user->pw_passwd, user->pw_uid, user->pw_gid, user->pw_gecos,
		user->pw_dir, user->pw_shell);
	return FOUND;
}

static int passwd(const char *key)
{
	if (key) return print_user(is_number(key) ? getpwuid(strtoul(key, 0, 10)) : getpwnam(key));
	for (struct passwd *user; (user = getpwent());) print_user(user);
	return FOUND;
}

static int print_group(const struct group *group)
{
	if (!group) return NOT_FOUND;
	printf("%s:%s:%u:", group->gr_name, group->gr_passwd, group->gr_gid);
	for (char **member = group->gr_mem; *member; member++) printf("%s%s", member == group->gr_mem ? "" : ",", *member);
	putchar('\n');
	return FOUND;
}

static int group(const char *key)
{
	if (key) return print_group(is_number(key) ? getgrgid(strtoul(key, 0, 10)) : getgrnam(key));
	for (struct group *found; (found = getgrent());) print_group(found);
	return FOUND;
}

static int initgroups_of(const char *key)
{
	gid_t groups[256];
	int count = 256;
	if (!key) return NOT_LISTED;
	struct passwd *user = getpwnam(key);
	if (!user) return NOT_FOUND;
	if (getgrouplist(key, user->pw_gid, groups, &count) < 0) count = 256;
	printf("%-21s", key);
	for (int i = 0; i < count; i++) printf(" %u", groups[i]);
	putchar('\n');
	return FOUND;
}

static void print_days(long days)
{
	putchar(':');
	if (days != -1) printf("%ld", days);
}

static int shadow(const char *key)
{
	if (!key) return NOT_LISTED;
	const struct spwd *entry = getspnam(key);
	if (!entry) return NOT_FOUND;
	printf("%s:%s", entry->sp_namp, entry->sp_pwdp);
	print_days(entry->sp_lstchg);
	print_days(entry->sp_min);
	print_days(entry->sp_max);
	print_days(entry->sp_warn);
	print_days(entry->sp_inact);
	print_days(entry->sp_expire);
	puts(":");
	return FOUND;
}

static int print_addresses(const char *key, int family, int all)
{
	static const char *const kinds[] = {[SOCK_STREAM] = "STREAM", [SOCK_DGRAM] = "DGRAM", [SOCK_RAW] = "RAW"};
	struct addrinfo hints = {.ai_family = family, .ai_flags = AI_CANONNAME}, *found;
	if (!key) return NOT_LISTED;
	if (getaddrinfo(key, all ? "0" : 0, &hints, &found)) return NOT_FOUND;
	char last[INET6_ADDRSTRLEN] = "";
	for (struct addrinfo *one = found; one; one = one->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address = one->ai_family == AF_INET6
			? (const void *)&((struct sockaddr_in6 *)one->ai_addr)->sin6_addr
			: (const void *)&((struct sockaddr_in *)one->ai_addr)->sin_addr;
		inet_ntop(one->ai_family, address, text, sizeof text);
		if (all) {
			printf("%-15s %-6s %s\n", text, kinds[one->ai_socktype], one == found ? found->ai_canonname : "");
		} else if (strcmp(text, last)) {
			printf("%-15s  %s\n", text, found->ai_canonname);
		}
		strcpy(last, text);
	}
	freeaddrinfo(found);
	return FOUND;
}

static int ahosts(const char *key) { return print_addresses(key, AF_UNSPEC, 1); }
static int ahosts4(const char *key) { return print_addresses(key, AF_INET, 1); }
static int ahosts6(const char *key) { return print_addresses(key, AF_INET6, 1); }

static int print_host(const struct hostent *host)
{
	if (!host) return NOT_FOUND;
	for (char **address = host->h_addr_list; *address; address++) {
		char text[INET6_ADDRSTRLEN];
		inet_ntop(host->h_addrtype, *address, text, sizeof text);
		printf("%-15s ", text);
		print_names(host->h_name, host->h_aliases);
	}
	return FOUND;
}

static int hosts(const char *key)
{
	unsigned char address[sizeof(struct in6_addr)];
	if (!key) {
		for (struct hostent *host; (host = gethostent());) print_host(host);
		return FOUND;
	}
	if (inet_pton(AF_INET, key, address) == 1) return print_host(gethostbyaddr(address, 4, AF_INET));
	if (inet_pton(AF_INET6, key, address) == 1) return print_host(gethostbyaddr(address, 16, AF_INET6));
	return print_addresses(key, AF_UNSPEC, 0);
}

static int services(const char *key)
{
	char name[256];
	if (!key) return NOT_LISTED;
	const char *slash = strchr(key, '/'), *protocol = slash ? slash + 1 : 0;
	snprintf(name, sizeof name, "%.*s", (int)(slash ? slash - key : (long)strlen(key)), key);
	const struct servent *service =
		is_number(name) ? getservbyport(htons(atoi(name)), protocol) : getservbyname(name, protocol);
	if (!service) return NOT_FOUND;
	printf("%-21s %d/%s", service->s_name, ntohs(service->s_port), service->s_proto);
	for (char **alias = service->s_aliases; alias && *alias; alias++) printf(" %s", *alias);
	putchar('\n');
	return FOUND;
}

static int print_protocol(const struct protoent *protocol)
{
	if (!protocol) return NOT_FOUND;
	printf("%-21s %d", protocol->p_name, protocol->p_proto);
	for (char **alias = protocol->p_aliases; alias && *alias; alias++) printf(" %s", *alias);
	putchar('\n');
	return FOUND;
}

static int protocols(const char *key)
{
	if (key) return print_protocol(is_number(key) ? getprotobynumber(atoi(key)) : getprotobyname(key));
	for (struct protoent *protocol; (protocol = getprotoent());) print_protocol(protocol);
	return FOUND;
}

static const struct {
	const char *name;
	int (*look_up)(const char *);
} databases[] = {
	{"ahosts", ahosts}, {"ahostsv4", ahosts4}, {"ahostsv6", ahosts6}, {"group", group}, {"hosts", hosts},
	{"initgroups", initgroups_of}, {"passwd", passwd}, {"protocols", protocols}, {"services", services},
	{"shadow", shadow},
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs("usage: getent DATABASE [KEY...]\ndatabases:", stderr);
		for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) fprintf(stderr, " %s", databases[i].name);
		fputc('\n', stderr);
		return UNKNOWN_DATABASE;
	}
	for (size_t i = 0; i < sizeof databases / sizeof *databases; i++) {
		if (strcmp(argv[1], databases[i].name)) continue;
		int status = argc == 2 ? databases[i].look_up(0) : FOUND;
		for (int word = 2; word < argc; word++) {
			int result = databases[i].look_up(argv[word]);
			if (result) status = result;
		}
		if (status == NOT_LISTED) fprintf(stderr, "getent: %s: give a key; musl cannot list this one\n", argv[1]);
		return status;
	}
	fprintf(stderr, "getent: unknown database: %s\n", argv[1]);
	return UNKNOWN_DATABASE;
}
