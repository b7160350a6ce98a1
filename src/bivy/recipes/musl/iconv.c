/* iconv: convert text from one encoding to another (POSIX.1-2024, "iconv"), with the C library's iconv(3). */
#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const known[] = {
	"UTF-8", "UTF-7", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32", "UTF-32BE", "UTF-32LE", "UCS-2", "UCS-2BE",
	"UCS-2LE", "UCS-4", "UCS-4BE", "UCS-4LE", "WCHAR_T", "US-ASCII", "ISO-8859-1", "ISO-8859-2", "ISO-8859-3",
	"ISO-8859-4", "ISO-8859-5", "ISO-8859-6", "ISO-8859-7", "ISO-8859-8", "ISO-8859-9", "ISO-8859-10",
	"ISO-8859-11", "ISO-8859-13", "ISO-8859-14", "ISO-8859-15", "ISO-8859-16", "TIS-620", "CP437", "CP850", "CP866",
	"CP1250", "CP1251", "CP1252", "CP1253", "CP1254", "CP1255", "CP1256", "CP1257", "CP1258", "KOI8-R", "KOI8-U",
	"IBM1047", "EUC-JP", "SHIFT_JIS", "ISO-2022-JP", "EUC-KR", "GB2312", "GBK", "GB18030", "BIG5", "BIG5-HKSCS",
};

static int omit, silent, status;

static void list(void)
{
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		iconv_t conversion = iconv_open("UTF-8", known[i]);
		if (conversion == (iconv_t)-1) continue;
		iconv_close(conversion);
		puts(known[i]);
	}
}

static int convert(iconv_t conversion, FILE *from, const char *name)
{
	char in[8192], out[32768];
	size_t kept = 0;
	iconv(conversion, 0, 0, 0, 0);
	for (;;) {
		size_t got = fread(in + kept, 1, sizeof in - kept, from);
		size_t left = kept + got;
		char *next = in;
		while (left) {
			char *end = out;
			size_t room = sizeof out;
			size_t result = iconv(conversion, &next, &left, &end, &room);
			int fault = errno;
			if (fwrite(out, 1, end - out, stdout) != (size_t)(end - out)) {
				perror("iconv: standard output");
				return -1;
			}
			if (result != (size_t)-1 || fault == E2BIG) continue;
			if (fault == EINVAL && got) break;
			status = 1;
			if (!omit) {
				if (!silent) fprintf(stderr, "iconv: %s: what stands there cannot be converted\n", name);
				return -1;
			}
			next++;
			left--;
		}
		memmove(in, next, kept = left);
		if (!got) break;
	}
	if (ferror(from)) {
		fprintf(stderr, "iconv: %s: %s\n", name, strerror(errno));
		return -1;
	}
	char *end = out;
	size_t room = sizeof out;
	if (iconv(conversion, 0, 0, &end, &room) != (size_t)-1) fwrite(out, 1, end - out, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	const char *from = nl_langinfo(CODESET), *to = from;
	for (int option; (option = getopt(argc, argv, "cslf:t:o:")) != -1;) switch (option) {
	case 'c': omit = 1; break;
	case 's': silent = 1; break;
	case 'l': list(); return 0;
	case 'f': from = optarg; break;
	case 't': to = optarg; break;
	case 'o':
		if (freopen(optarg, "wb", stdout)) break;
		fprintf(stderr, "iconv: %s: %s\n", optarg, strerror(errno));
		return 1;
	default:
		fputs("usage: iconv [-cs] [-f ENCODING] [-t ENCODING] [-o FILE] [FILE...]\n       iconv -l\n", stderr);
		return 1;
	}
	iconv_t conversion = iconv_open(to, from);
	if (conversion == (iconv_t)-1) {
		fprintf(stderr, "iconv: no conversion from %s to %s\n", from, to);
		return 1;
	}
	if (optind == argc) convert(conversion, stdin, "standard input");
	for (; optind < argc; optind++) {
		int is_input = !strcmp(argv[optind], "-");
		FILE *file = is_input ? stdin : fopen(argv[optind], "rb");
		if (!file) {
			fprintf(stderr, "iconv: %s: %s\n", argv[optind], strerror(errno));
			status = 1;
			continue;
		}
		if (convert(conversion, file, argv[optind])) status = 1;
		if (!is_input) fclose(file);
	}
	if (fflush(stdout)) status = 1;
	return status;
}
