/* What util-linux's configure would find out for libuuid on musl, on every architecture of Alpine's. */

#define _GNU_SOURCE 1
#define HAVE_DECL_DIRFD 1
#define HAVE_DIRFD 1
#define HAVE_ERR 1
#define HAVE_ERRX 1
#define HAVE_ERR_H 1
#define HAVE_EXPLICIT_BZERO 1
#define HAVE_FSYNC 1
#define HAVE_GETAUXVAL 1
#define HAVE_GETRANDOM 1
#define HAVE_INTTYPES_H 1
#define HAVE_JRAND48 1
#define HAVE_LANGINFO_H 1
#define HAVE_LIBPTHREAD 1
#define HAVE_LOCALE_H 1
#define HAVE_LOFF_T 1
#define HAVE_NANOSLEEP 1
#define HAVE_NETINET_IN_H 1
#define HAVE_NET_IF_H 1
#define HAVE_PROGRAM_INVOCATION_SHORT_NAME 1
#define HAVE_REALLOCARRAY 1
#define HAVE_SRANDOM 1
#define HAVE_STDINT_H 1
#define HAVE_STDLIB_H 1
#define HAVE_STRING_H 1
#define HAVE_STRUCT_STAT_ST_MTIM_TV_NSEC 1
#define HAVE_SYS_AUXV_H 1
#define HAVE_SYS_FILE_H 1
#define HAVE_SYS_IOCTL_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_SYS_SYSCALL_H 1
#define HAVE_SYS_SYSMACROS_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_UN_H 1
#define HAVE_TLS 1
#define HAVE_UNISTD_H 1
#define HAVE_USLEEP 1
#define HAVE_WARN 1
#define HAVE_WARNX 1
#define HAVE___PROGNAME 1
#define PACKAGE "util-linux"

/* Where libuuid keeps its clock, and where uuidd, which is not made, would listen. */
#define _PATH_LOCALSTATEDIR "/var"
#define _PATH_RUNSTATEDIR "/run"
