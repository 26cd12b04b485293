#include "conf/paths.h"

#include <string.h>
#include <unistd.h>

#include "base/text.h"

const char *environment_get(Environment environment, const char *name)
{
    size_t length = strlen(name);
    for (Environment p = environment; p && *p; p++)
        if (strncmp(*p, name, length) == 0 && (*p)[length] == '=')
            return (*p)[length + 1] ? *p + length + 1 : NULL;
    return NULL;
}

char *path_expand(const char *path, Environment environment)
{
    const char *home = environment_get(environment, "HOME");
    Text expanded = TEXT_NULL;
    if (home && path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
        text_append(&expanded, home);
        path++;
    }
    text_append(&expanded, path);
    return text_take(&expanded);
}

char *path_runtime_directory(Environment environment)
{
    const char *runtime = environment_get(environment, "XDG_RUNTIME_DIR");
    Text directory = TEXT_NULL;
    if (runtime)
        text_printf(&directory, "%s/sparkbouncer", runtime);
    else if (geteuid() == 0)
        text_append(&directory, "/run/sparkbouncer");
    else
        text_printf(&directory, "/tmp/sparkbouncer-%u", (unsigned)geteuid());
    return text_take(&directory);
}

char *path_temporary_directory(Environment environment)
{
    const char *given = environment_get(environment, "TMPDIR");
    return mem_copy_string(given && given[0] == '/' ? given : "/var/tmp");
}

char *path_default_control_socket(Environment environment)
{
    Text path = TEXT_NULL;
    _cleanup_(mem_freep) char *directory = path_runtime_directory(environment);
    text_printf(&path, "%s/control.sock", directory);
    return text_take(&path);
}
