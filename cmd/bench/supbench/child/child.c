//go:build ignore

/*
 * The child that the supervisor's benchmark supervises: the least program that
 * speaks a gateway's side of the hand-off. Its first act is to read the clock.
 *
 * Each thing that it reports is one record, see record.go, written at once into
 * the FIFO "stamps" beside its working directory. With a hand-off pipe it then
 * says that it is ready. After that it sleeps until the pipe ends, or SIGTERM or
 * SIGUSR1 ends it; SIGUSR2 makes it print numbered lines.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { STARTED = 1, PRINTING = 2 };
enum { LINE = 128, LINES = 200 * 1024 * 1024 / LINE, BATCH = 512 };

struct record {
	uint64_t ns;
	uint32_t pid, kind;
	uint64_t value;
};

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report(uint32_t kind, uint64_t ns)
{
	struct record r = { ns, (uint32_t)getpid(), kind, 0 };
	int fd = open("../stamps", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || write(fd, &r, sizeof r) != sizeof r)
		_exit(3);
	close(fd);
}

/* Tells the supervisor that the start of this id is ready. */
static void ready(const char *id, size_t length)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char text[256];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(text, sizeof text, "READY=1\nX_CODERCLAW_INSTANCE=%.*s", (int)length, id);
	if (!path || fd < 0 || strlen(path) >= sizeof to.sun_path || n >= (int)sizeof text)
		_exit(4);
	strcpy(to.sun_path, path);
	if (sendto(fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof to) != n)
		_exit(4);
	close(fd);
}

/* Reads the one line of the hand-off, whose pipe does not block. */
static void hand_off(int parent)
{
	static const char key[] = "\"instance\":\"";
	char line[16384];
	size_t length = 0;
	while (!length || line[length - 1] != '\n') {
		struct pollfd p = { .fd = parent, .events = POLLIN };
		poll(&p, 1, -1);
		ssize_t n = read(parent, line + length, sizeof line - 1 - length);
		if (n == 0 || length + 1 == sizeof line)
			_exit(0); /* the supervisor is gone */
		if (n > 0)
			length += (size_t)n;
	}
	line[length] = 0;
	char *id = strstr(line, key);
	char *end = id ? strchr(id + sizeof key - 1, '"') : NULL;
	if (!end)
		_exit(5);
	id += sizeof key - 1;
	ready(id, (size_t)(end - id));
}

static void print_lines(void)
{
	static char batch[BATCH * LINE];
	report(PRINTING, now());
	memset(batch, '.', sizeof batch);
	for (int first = 0; first < LINES; first += BATCH) {
		for (int i = 0; i < BATCH; i++) {
			char *line = batch + i * LINE;
			for (int n = first + i, at = 8; at >= 0; at--, n /= 10)
				line[at] = (char)('0' + n % 10);
			line[LINE - 1] = '\n';
		}
		for (size_t out = 0; out < sizeof batch;) {
			ssize_t n = write(1, batch + out, sizeof batch - out);
			if (n <= 0)
				_exit(6);
			out += (size_t)n;
		}
	}
}

int main(void)
{
	uint64_t begin = now();
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	struct pollfd on[2] = {
		{ .fd = signalfd(-1, &set, SFD_CLOEXEC), .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	report(STARTED, begin);
	const char *parent = getenv("CODERCLAW_PARENT_FD");
	if (parent) {
		on[1].fd = atoi(parent);
		hand_off(on[1].fd);
	}
	for (;;) {
		struct signalfd_siginfo info;
		if (poll(on, 2, -1) < 0)
			continue;
		if (on[1].revents)
			return 0;
		if (read(on[0].fd, &info, sizeof info) != sizeof info || info.ssi_signo != SIGUSR2)
			return 0;
		print_lines();
	}
}
