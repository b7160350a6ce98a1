/* The first process of a container: starts a program, hands signals to it, and takes care of processes that nobody
 * waits for.
 *
 *     bivy-init PROGRAM [ARGUMENT]...
 *
 * The kernel does not let a signal end the first process of a container unless that process asked for the signal, so a
 * program that does nothing about SIGTERM could not be stopped; and it makes the first process the parent of all that
 * have lost theirs, so a program that does not wait for them would leave them behind as zombies.
 *
 * The exit status is the program's, 128 + N where signal N ended it, 127 where there is no such program, 126 where it
 * cannot be executed. */

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, const char *why)
{
	const char *parts[] = {"bivy-init: ", what, ": ", why, "\n"};

	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++)
		if (write(2, parts[i], strlen(parts[i])) < 0)
			return;
}

/* Wait for every process that has ended; return the program's status once it is among them, and before that -1. */
static int reap(pid_t program)
{
	int status, found = -1;
	pid_t ended;

	while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
		if (ended == program)
			found = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return found;
}

int main(int argc, char **argv)
{
	/* What goes wrong in this process itself is not handed on. */
	static const int own[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
	sigset_t all, before;
	pid_t program;

	if (argc < 2) {
		say("usage", "bivy-init PROGRAM [ARGUMENT]...");
		return 2;
	}
	sigfillset(&all);
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&all, own[i]);
	sigprocmask(SIG_SETMASK, &all, &before);
	/* Where another process is the first one, processes that lose their parent come here all the same. */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

	program = fork();
	if (program < 0) {
		say("cannot start a process", strerror(errno));
		return 126;
	}
	if (program == 0) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		execvp(argv[1], argv + 1);
		say(argv[1], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	for (;;) {
		siginfo_t told;
		int signal = sigwaitinfo(&all, &told);

		if (signal == SIGCHLD) {
			int status = reap(program);

			if (status >= 0)
				return status;
		} else if (signal > 0 && told.si_code != SI_KERNEL) {
			/* What the kernel sends comes from a terminal, which sends it to the program as well. */
			kill(program, signal);
		}
	}
}
