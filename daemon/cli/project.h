#pragma once

/*
 * Project: what a project's .env, the environment and the flags say about where its Spark runs. Flags go
 * before the environment, that before .env, as load_dotenv() has it. Pure but for reading the file; main
 * thread.
 *
 * A host and a token without a profile become a guest profile of the daemon. Both must come from the same
 * place, as a token belongs to its host.
 */

#include <stdbool.h>

#include "base/secret.h"
#include "cli/options.h"
#include "conf/dotenv.h"

typedef struct Project {
    char *path;    /* of the .env; NULL: there is none */
    Dotenv dotenv; /* empty: likewise */
    bool is_local; /* then the rest does not matter */
    char *profile; /* NULL: the daemon's default one, or a guest */
    char *cluster_id;
    char *guest_host; /* NULL: no guest; else `guest_token` is set too */
    Secret *guest_token;
    bool guest_is_serverless;
} Project;

#define PROJECT_NULL                                                                                         \
    {                                                                                                        \
        .path = NULL                                                                                         \
    }

/* The .env: `env_file`, or the nearest one from `directory` upwards. False with an error in `problems` when
 * it cannot be read; there may be none. `project` must be empty; to be emptied by project_deinit() either
 * way. */
bool project_read_file(Project *project, const char *env_file, const char *directory, Environment environment,
                       Problems *problems) _must_check_;
/* The same from bytes, for tests. */
void project_read_bytes(Project *project, const char *bytes, const char *path, Environment environment,
                        Problems *problems);
/* After that: decides. False with an error in `problems`. */
bool project_resolve(Project *project, const Options *options, Environment environment,
                     Problems *problems) _must_check_;
void project_deinit(Project *project);
