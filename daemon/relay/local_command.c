#include "relay/local_command.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"

/*
 * SPARK_HOME first, then the PySpark of the Python that is meant, that of the active environment, and that of
 * PATH. Servers have the jar of Spark Connect among their own since 4.0; pyspark-client has none at all.
 */
static const char SEARCH[] =
    "find_jar() {\n"
    "  for jar in \"$1\"/jars/spark-connect_*.jar; do\n"
    "    [ -f \"$jar\" ] && [ -x \"$1/bin/spark-submit\" ] && return 0\n"
    "  done\n"
    "  return 1\n"
    "}\n"
    "tell() { printf '%s\\n%s\\n%s\\n' \"$1\" \"$jar\" \"$2\"; exit 0; }\n"
    "ask='import importlib.util as u, sys; s = u.find_spec(\"pyspark\");"
    " print(s.submodule_search_locations[0] if s else \"\"); print(sys.executable)'\n"
    "seen=\n"
    "if [ -n \"$SPARK_HOME\" ]; then\n"
    "  find_jar \"$SPARK_HOME\" && tell \"$SPARK_HOME\" \"${PYSPARK_PYTHON:-python3}\"\n"
    "  seen=\"SPARK_HOME=$SPARK_HOME \"\n"
    "fi\n"
    "for python in \"$PYSPARK_PYTHON\" \"${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}\" python3 python; do\n"
    "  [ -n \"$python\" ] || continue\n"
    "  said=$(\"$python\" -c \"$ask\" 2>/dev/null) || continue\n"
    "  home=${said%%\n*}\n"
    "  [ -n \"$home\" ] && find_jar \"$home\" && tell \"$home\" \"${said#*\n}\"\n"
    "  seen=\"$seen${said#*\n} \"\n"
    "done\n"
    "printf '%s' \"$seen\" >&2\n"
    "exit 1\n";

const char *local_command_search(void)
{
    return SEARCH;
}

/* ---- putting it together */

static size_t count(char *const *words)
{
    size_t n = 0;
    while (words[n])
        n++;
    return n;
}

/* Takes the word over. */
static void add(char **words, char *word)
{
    size_t n = count(words);
    assert(n + 2 <= LOCAL_COMMAND_MAX_WORDS);
    words[n] = word;
}

void local_command_deinit(LocalCommand *command)
{
    for (size_t i = 0; command->argv[i]; i++)
        free(command->argv[i]);
    for (size_t i = 0; command->variables[i]; i++) {
        secret_wipe(command->variables[i], strlen(command->variables[i]));
        free(command->variables[i]);
    }
    *command = (LocalCommand)LOCAL_COMMAND_NULL;
}

void local_command_add_variable(LocalCommand *command, const char *name, const char *value)
{
    size_t length = strlen(name) + 1 + strlen(value) + 1;
    char *variable = mem_alloc(length);
    (void)snprintf(variable, length, "%s=%s", name, value);
    add(command->variables, variable);
}

void local_command_from_template(LocalCommand *command, const char *template, uint16_t port)
{
    static const char PORT[] = "{port}";
    Text line = TEXT_NULL;
    for (const char *at; (at = strstr(template, PORT)); template = at + sizeof PORT - 1) {
        text_append_bytes(&line, template, (size_t)(at - template));
        text_printf(&line, "%u", port);
    }
    text_append(&line, template);
    add(command->argv, mem_copy_string("/bin/sh"));
    add(command->argv, mem_copy_string("-c"));
    add(command->argv, text_take(&line));
}

/* ---- spark-submit */

static void add_setting(LocalCommand *command, const char *setting)
{
    add(command->argv, mem_copy_string("--conf"));
    add(command->argv, mem_copy_string(setting));
}

static void add_settings(LocalCommand *command, uint16_t port)
{
    /* Nothing but loopback; no page for everybody; tables in its own folder, which goes with it. */
    static const char *const SETTINGS[] = {
        "spark.connect.grpc.binding.address=127.0.0.1",
        "spark.driver.bindAddress=127.0.0.1",
        "spark.driver.host=127.0.0.1",
        "spark.ui.enabled=false",
        "spark.sql.catalogImplementation=in-memory",
    };
    char binding[64];
    (void)snprintf(binding, sizeof binding, "spark.connect.grpc.binding.port=%u", port);
    add_setting(command, binding);
    for (size_t i = 0; i < sizeof SETTINGS / sizeof SETTINGS[0]; i++)
        add_setting(command, SETTINGS[i]);
}

static void add_submit(LocalCommand *command, const char *home, const char *jar, uint16_t port)
{
    static const char *const WORDS[] = {
        "--master", "local[*]",     "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        "--name",   "sparkbouncer", NULL};
    Text program = TEXT_NULL;
    text_printf(&program, "%s/bin/spark-submit", home);
    add(command->argv, text_take(&program));
    for (size_t i = 0; WORDS[i]; i++)
        add(command->argv, mem_copy_string(WORDS[i]));
    add_settings(command, port);
    add(command->argv, mem_copy_string(jar));
}

/* The next line, cut off; NULL when there is none or it is empty. */
static char *next_line(char **rest)
{
    char *line = *rest, *end = line ? strchr(line, '\n') : NULL;
    *rest = NULL;
    if (end) {
        *end = '\0';
        *rest = end + 1;
    }
    return line && *line ? line : NULL;
}

bool local_command_from_found(LocalCommand *command, const char *found, uint16_t port)
{
    _cleanup_(mem_freep) char *lines = mem_copy_string(found);
    char *rest = lines;
    const char *home = next_line(&rest), *jar = next_line(&rest), *python = next_line(&rest);
    if (!home || !jar || !python || *home != '/' || *jar != '/')
        return false;
    add_submit(command, home, jar, port);
    local_command_add_variable(command, "SPARK_HOME", home);
    local_command_add_variable(command, "SPARK_LOCAL_IP", "127.0.0.1");
    local_command_add_variable(command, "PYSPARK_PYTHON", python);
    local_command_add_variable(command, "PYSPARK_DRIVER_PYTHON", python);
    return true;
}
