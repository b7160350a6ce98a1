/* What a command in a container sees and does: one word says what. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void caught(int number) {
    char line[] = "caught 00\n";
    line[7] = '0' + number / 10;
    line[8] = '0' + number % 10;
    write(1, line, sizeof line - 1);
    _exit(number);
}

static int copy(int from, int to) {
    char block[4096];
    ssize_t size;
    while ((size = read(from, block, sizeof block)) > 0)
        if (write(to, block, size) != size)
            return 1;
    return size < 0;
}

static int failed(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "show";
    if (!strcmp(what, "show")) {
        char name[256], folder[4096];
        gethostname(name, sizeof name);
        for (int i = 0; i < count; i++)
            printf("word %s\n", words[i]);
        for (char **entry = environ; *entry; entry++)
            printf("env %s\n", *entry);
        printf("cwd %s\nuid %d\ngid %d\nhostname %s\n", getcwd(folder, sizeof folder), getuid(), getgid(), name);
        for (int stream = 0; stream < 3; stream++)
            printf("isatty %d %d\n", stream, isatty(stream));
        return 0;
    }
    if (!strcmp(what, "exit"))
        return atoi(words[2]);
    if (!strcmp(what, "kill"))
        return raise(atoi(words[2]));
    if (!strcmp(what, "kill-group"))
        return signal(SIGTERM, caught), kill(0, SIGTERM), pause();
    if (!strcmp(what, "wait") || !strcmp(what, "catch")) {
        if (what[0] == 'c')
            for (int i = 2; i < count; i++)
                signal(atoi(words[i]), caught);
        puts("ready");
        fflush(stdout);
        for (;;)
            pause();
    }
    if (!strcmp(what, "leave")) { /* a process that outlives the command, holding no stream */
        if (!fork()) {
            signal(SIGINT, SIG_IGN);
            for (int stream = 0; stream < 3; stream++)
                close(stream);
            for (;;)
                pause();
        }
        if (count > 2)
            signal(SIGINT, caught), puts("ready"), fflush(stdout), pause();
        return 0;
    }
    if (!strcmp(what, "streams")) {
        write(2, "error\n", 6);
        return copy(0, 1);
    }
    if (!strcmp(what, "read")) {
        int from = open(words[2], O_RDONLY);
        return from < 0 ? failed(words[2]) : copy(from, 1);
    }
    if (!strcmp(what, "write")) {
        int to = open(words[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
        return to < 0 || write(to, words[3], strlen(words[3])) < 0 ? failed(words[2]) : 0;
    }
    if (!strcmp(what, "mode")) {
        struct stat found;
        return stat(words[2], &found) ? failed(words[2]) : printf("%o\n", found.st_mode & 07777) < 0;
    }
    if (!strcmp(what, "descriptors")) {
        for (int descriptor = 3; descriptor < 64; descriptor++)
            if (fcntl(descriptor, F_GETFD) >= 0)
                printf("open %d\n", descriptor);
        return 0;
    }
    if (!strcmp(what, "interfaces"))
        return copy(open("/proc/net/dev", O_RDONLY), 1);
    if (!strcmp(what, "type"))
        return ioctl(0, TIOCSTI, "x") ? failed("typing") : 0;
    if (!strcmp(what, "size")) {
        struct winsize size;
        return ioctl(0, TIOCGWINSZ, &size) ? failed("size") : printf("%d x %d\n", size.ws_row, size.ws_col) < 0;
    }
    return 99;
}
