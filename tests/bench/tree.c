/* Two loops over a tree, as fast as the kernel lets one thread be.
 *
 *   tree count FOLDER      counts the names below, by reading directories only
 *   tree link FROM TO      makes TO: each folder anew, each other name a hard link
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long names;

static void below(int from, int to)
{
	DIR *folder = fdopendir(from);
	if (!folder)
		err(2, "fdopendir");
	for (struct dirent *entry; (entry = readdir(folder));) {
		const char *name = entry->d_name;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		names++;
		if (entry->d_type != DT_DIR) {
			if (to >= 0 && linkat(from, name, to, name, 0))
				err(2, "link %s", name);
			continue;
		}
		int next = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (next < 0)
			err(2, "open %s", name);
		int made = -1;
		if (to >= 0) {
			if (mkdirat(to, name, 0755))
				err(2, "mkdir %s", name);
			made = openat(to, name, O_RDONLY | O_DIRECTORY);
			if (made < 0)
				err(2, "open %s", name);
		}
		below(next, made);
		if (made >= 0)
			close(made);
	}
	closedir(folder);
}

int main(int count, char **words)
{
	int links = count == 4 && !strcmp(words[1], "link");
	if (!links && !(count == 3 && !strcmp(words[1], "count")))
		errx(2, "usage: tree count FOLDER | tree link FROM TO");
	int from = open(words[2], O_RDONLY | O_DIRECTORY), to = -1;
	if (from < 0)
		err(2, "%s", words[2]);
	if (links) {
		if (mkdir(words[3], 0755))
			err(2, "%s", words[3]);
		to = open(words[3], O_RDONLY | O_DIRECTORY);
	}
	below(from, to);
	printf("%lu\n", names);
}
