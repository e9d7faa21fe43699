/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* A restart of native_sim: the program begins anew, in the same process. Compiled for the host, called by boots.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARGUMENTS_MAX 4096

void restart_native(void)
{
	static char line[ARGUMENTS_MAX + 1];
	static char *arguments[ARGUMENTS_MAX / 2 + 1];
	int file = open("/proc/self/cmdline", O_RDONLY);
	ssize_t length = file < 0 ? -1 : read(file, line, ARGUMENTS_MAX);
	size_t count = 0;
	for (ssize_t at = 0; at < length; at++) {
		if (at == 0 || line[at - 1] == '\0') {
			arguments[count++] = &line[at];
		}
	}
	fflush(NULL);
	execv("/proc/self/exe", arguments);
	perror("restart");
	exit(1);
}
