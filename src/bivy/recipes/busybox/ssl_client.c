/* ssl_client: speak TLS for busybox's wget, over a connection that wget has made. What comes on standard input is
 * sent encrypted; what arrives is written, decrypted, to standard output. The certificate has to be valid, for this
 * host, and signed by one of the authorities in /etc/ssl (or in SSL_CERT_FILE, SSL_CERT_DIR).
 *
 * usage: ssl_client -s FD -n HOST [-e] [-I]
 *   -s FD    the connection
 *   -n HOST  the name, or the address, that the certificate has to be for
 *   -e       end when standard input does
 *   -I       do not check the certificate */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fail(const char *host, const char *what)
{
	unsigned long fault = ERR_peek_last_error();
	const char *why = what ? what : fault ? ERR_reason_error_string(fault) : strerror(errno);
	fprintf(stderr, "ssl_client: %s: %s\n", host, why ? why : "the connection was cut off");
	exit(1);
}

static SSL *connect_checked(int fd, const char *host, int check)
{
	unsigned char address[16];
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context) fail(host, 0);
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	/* Many servers hang up without a word; whether everything came, wget knows by the length that was announced. */
	SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* A ticket that arrives before the request is sent must not make us wait for an answer to it. */
	SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
	if (check) {
		if (!SSL_CTX_set_default_verify_paths(context)) fail(host, 0);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, 0);
	}
	SSL *tls = SSL_new(context);
	if (!tls || !SSL_set_fd(tls, fd)) fail(host, 0);
	int is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	if (!(is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host)
		: SSL_set_tlsext_host_name(tls, host) && SSL_set1_host(tls, host))) fail(host, "not a host's name");
	if (SSL_connect(tls) != 1) {
		long verdict = SSL_get_verify_result(tls);
		fail(host, verdict == X509_V_OK ? 0 : X509_verify_cert_error_string(verdict));
	}
	return tls;
}

static void write_out(const char *data, size_t size)
{
	while (size) {
		ssize_t written = write(STDOUT_FILENO, data, size);
		if (written < 0) exit(errno != EPIPE);
		data += written;
		size -= written;
	}
}

static void copy(SSL *tls, int fd, const char *host, int end_with_input)
{
	static char data[16384];
	struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	for (;;) {
		if (poll(ends, 2, SSL_pending(tls) ? 0 : -1) < 0 && errno != EINTR) fail(host, 0);
		if (SSL_pending(tls) || ends[1].revents) {
			int size = SSL_read(tls, data, sizeof data);
			int kind = size > 0 ? SSL_ERROR_NONE : SSL_get_error(tls, size);
			if (size > 0) write_out(data, size);
			else if (kind == SSL_ERROR_ZERO_RETURN) return;
			else if (kind != SSL_ERROR_WANT_READ) fail(host, 0);
		}
		if (ends[0].revents) {
			ssize_t size = read(STDIN_FILENO, data, sizeof data);
			if (size > 0) {
				if (SSL_write(tls, data, size) <= 0) fail(host, 0);
			} else if (end_with_input || ends[0].revents & POLLHUP) {
				SSL_shutdown(tls);
				return;
			} else {
				ends[0].fd = -1;
			}
		}
	}
}

int main(int argc, char **argv)
{
	int fd = -1, end_with_input = 0, check = 1;
	const char *host = 0;
	for (int option; (option = getopt(argc, argv, "s:n:eI")) != -1;) switch (option) {
	case 's': fd = atoi(optarg); break;
	case 'n': host = optarg; break;
	case 'e': end_with_input = 1; break;
	case 'I': check = 0; break;
	default: return 2;
	}
	if (fd < 0 || !host || optind != argc) {
		fputs("usage: ssl_client -s FD -n HOST [-e] [-I]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	copy(connect_checked(fd, host, check), fd, host, end_with_input);
	return 0;
}
